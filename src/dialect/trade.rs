//! A user and a password, traded once for a key that enrols this one host.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use gatepass_contract::name::DisplayName;
use gatepass_contract::pki::Anchors;
use gatepass_contract::secret::{ApiKey, Password};
use zeroize::Zeroizing;

use super::codes::{Code, Message};
use super::request::{Ca, Way, wrong};
use crate::clock::{MasterTime, SystemClock};
use crate::disguise::Secret;
use crate::master::{Client, Endpoint, Fault, MasterError, Trust};
use crate::net::{Configured, Egress};
use crate::trouble::whole;

/// The key for that user. Nothing of it is kept anywhere.
pub async fn key(
    user: &str,
    password: &Secret,
    name: &DisplayName,
    way: &Way,
    ca: Option<&Ca>,
) -> Result<ApiKey, Message> {
    let user = user.parse().map_err(|_| wrong("wauser", "it is no user of a master"))?;
    let client = Client::new(endpoint(way, trust(ca)?)?, MasterTime::new(Arc::new(SystemClock)));
    let password = Password::new(Zeroizing::new(password.reveal().to_owned()));
    match client.enrolment_key(user, password, name.clone()).await {
        Ok(key) => Ok(key),
        Err(error @ MasterError::Fault { fault: Fault::OtherCa(_), .. }) if ca.is_none() => {
            Err(distrusted(&client, &error).await)
        }
        Err(error) => {
            let message = Message::new(
                Code::Master,
                format!("The master gave no key for this user: {}.", whole(&error)),
            );
            Err(error.hint().map_or_else(|| message.clone(), |hint| message.clone().hint(hint)))
        }
    }
}

/// By the environment's proxy, as the agent will go; behind a gateway the master has its reserved name.
fn endpoint(way: &Way, trust: Trust) -> Result<Endpoint, Message> {
    let (masters, gateways) = match way {
        Way::Master(url) => (vec![url.clone()], Vec::new()),
        Way::Gateway(place) => (Vec::new(), vec![place.clone()]),
    };
    let configured = Configured { proxy: None, auth_file: None, exempt: &[] };
    let egress = Egress::find(configured, |name| std::env::var(name).ok());
    let egress = egress.map_err(|error| Message::new(Code::Stopped, format!("{}.", whole(&error))))?;
    let (connect_timeout, timeout) = (Duration::from_secs(5), Duration::from_secs(30));
    Ok(Endpoint { masters, gateways, egress, trust, connect_timeout, timeout })
}

fn trust(ca: Option<&Ca>) -> Result<Trust, Message> {
    Ok(match ca {
        Some(Ca::Fingerprint(digest)) => Trust::Fingerprint(*digest),
        Some(Ca::File(file)) => {
            let text = fs::read_to_string(file)
                .map_err(|error| wrong("cafile", &format!("{} cannot be read ({error})", file.display())))?;
            Trust::Pinned(Anchors::from_pem(&text).map_err(|error| wrong("cafile", &error.to_string()))?)
        }
        None => Trust::System,
    })
}

/// A password is no proof of who the master is, and is told to nobody who has not shown it.
async fn distrusted(client: &Client, error: &MasterError) -> Message {
    let text = format!("Nobody vouches for this master, and it was not told the password: {}.", whole(error));
    let offered = client.offered().await.unwrap_or_default();
    let fingerprint = offered.last().map_or_else(
        || "`-cafile FILE` or `-cafingerprint SHA256` says who does.".to_owned(),
        |digest| {
            format!(
                "It offers the trust anchor {digest}. On the master's own host, compare with\n           \
                 openssl x509 -in root-ca.crt -pubkey -noout | openssl pkey -pubin -outform der | sha256sum\n           \
                 and where they are alike, say `-cafingerprint {digest}`."
            )
        },
    );
    Message::new(Code::Master, text).hint(fingerprint)
}
