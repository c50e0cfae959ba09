//! From where a key or a token may be used.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One address, a network in CIDR notation, or a range from the first to the last address. Written back as it was meant:
/// `10.0.0.7`, `10.0.0.0/8`, `10.0.0.5-10.0.0.9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(Form);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Form {
    Cidr(IpNet),
    /// Invariant: both of one family, the first not behind the last.
    Range(IpAddr, IpAddr),
}

/// Neither an address nor a network nor a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an address, a network like 10.0.0.0/8 or a range like 10.0.0.5-10.0.0.9")]
pub struct NotANetwork(String);

impl Network {
    /// Whether `address` lies in it. An IPv4 address that a socket shows as `::ffff:a.b.c.d` is one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match self.0 {
            Form::Cidr(network) => network.contains(&address),
            Form::Range(first, last) => {
                first.is_ipv4() == address.is_ipv4() && (first..=last).contains(&address)
            }
        }
    }
}

impl From<IpNet> for Network {
    fn from(network: IpNet) -> Self {
        Self(Form::Cidr(network))
    }
}

impl FromStr for Network {
    type Err = NotANetwork;
    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let refused = || NotANetwork(text.chars().filter(|c| !c.is_control()).take(100).collect());
        if let Some((first, last)) = text.split_once('-') {
            let (Ok(first), Ok(last)) = (first.trim().parse::<IpAddr>(), last.trim().parse::<IpAddr>())
            else {
                return Err(refused());
            };
            let ordered = first.is_ipv4() == last.is_ipv4() && first <= last;
            return if ordered { Ok(Self(Form::Range(first, last))) } else { Err(refused()) };
        }
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| alone()).map(Self::from).map_err(|_| refused())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Form::Cidr(network) if network.prefix_len() == network.max_prefix_len() => {
                f.pad(&network.addr().to_string())
            }
            Form::Cidr(network) => f.pad(&network.to_string()),
            Form::Range(first, last) => f.pad(&format!("{first}-{last}")),
        }
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = NotANetwork;
    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_networks_and_ranges_hold_what_they_say() {
        for (network, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.5-10.0.0.9", "::ffff:10.0.0.9", "10.0.0.10"),
            ("2001:db8::/32", "2001:db8::1", "10.0.0.1"),
            ("2001:db8::1-2001:db8::f", "2001:db8::a", "2001:db8::10"),
            ("0.0.0.0-255.255.255.255", "1.2.3.4", "2001:db8::1"),
        ] {
            let read: Network = network.parse().expect(network);
            assert_eq!(read.to_string(), network);
            assert!(read.contains(inside.parse().expect("an address")), "{inside} in {network}");
            assert!(!read.contains(outside.parse().expect("an address")), "{outside} not in {network}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in
            ["", "10.0.0.0/33", "10.0.0.9-10.0.0.5", "10.0.0.1-2001:db8::1", "a-b", "10.0.0.1-", "host"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
