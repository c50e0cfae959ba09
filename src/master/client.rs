//! The real master, over HTTPS.

mod keys;

use std::sync::{Arc, Mutex, MutexGuard};

use data_encoding::BASE64URL_NOPAD;
use gatepass_contract::address::MasterUrl;
use gatepass_contract::pki::Anchors;
use gatepass_contract::proof::{Proof, Request as Proven};
use gatepass_contract::secret::ApiKey;
use gatepass_contract::time::Skew;
use gatepass_contract::wire::admin::AgentView;
use gatepass_contract::wire::agent::{
    EnrolRequest, Issued, RenewRequest, ReportReply, ReportRequest, TimeReply,
};
use gatepass_contract::wire::path;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Method, redirect};
use rustls::RootCertStore;
use serde::Serialize;
use zeroize::Zeroizing;

use super::fault::{Fault, Waited};
use super::reply::{Answer, No, Unread, parse};
use super::tls::{self, Demand};
use super::{Caller, Endpoint, Master, MasterError, Trust};
use crate::clock::MasterTime;

/// Exchanges in one probe; the one with the least doubt counts. The first one carries the handshake.
const EXCHANGES: u32 = 4;

/// The real master, over HTTPS: one kept connection for all calls of a step.
#[derive(Debug)]
pub struct Client {
    endpoint: Endpoint,
    time: MasterTime,
    session: Mutex<Session>,
}

/// What is kept between the calls of a step.
#[derive(Debug, Default)]
struct Session {
    /// The master that answered last.
    first: usize,
    roots: Option<Arc<RootCertStore>>,
    verified: Option<reqwest::Client>,
}

/// One call, ready to be sent to any of the masters.
struct Ask {
    method: Method,
    path: &'static str,
    body: Vec<u8>,
    credential: Option<HeaderValue>,
}

impl Client {
    /// Connects to nothing yet. Certificates and proofs are judged and made in `time`.
    #[must_use]
    pub fn new(endpoint: Endpoint, time: MasterTime) -> Self {
        Self { endpoint, time, session: Mutex::default() }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().expect("nothing panics while it holds the lock")
    }

    /// All masters in turn, beginning with the one that answered last.
    fn round(&self) -> Round<'_> {
        Round { client: self, first: self.session().first, turn: 0, failed: Vec::new() }
    }

    async fn call<T>(&self, ask: Ask, read: fn(&[u8]) -> Result<T, Fault>) -> Result<T, MasterError> {
        let mut round = self.round();
        while let Some(master) = round.next() {
            let answer = self.verified_call(master, &ask).await.and_then(|body| Ok(read(&body)?));
            if let Some(answer) = round.judge(master, answer)? {
                return Ok(answer);
            }
        }
        Err(round.none_answered())
    }

    async fn verified_call(&self, master: &MasterUrl, ask: &Ask) -> Result<Vec<u8>, No> {
        let client = self.verified(master).await?;
        self.send(&client, master, ask).await
    }

    async fn send(&self, client: &reqwest::Client, master: &MasterUrl, ask: &Ask) -> Result<Vec<u8>, No> {
        let mut request = client.request(ask.method.clone(), master.at(ask.path));
        if !ask.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json").body(ask.body.clone());
        }
        if let Some(credential) = &ask.credential {
            request = request.header(AUTHORIZATION, credential);
        }
        let response = request.send().await.map_err(|error| self.fault(&error))?;
        let answer = Answer::read(response).await.map_err(|unread| match unread {
            Unread::Failed(error) => self.fault(&error),
            Unread::Oversized => Fault::Oversized(gatepass_contract::wire::MAX_REPLY_BYTES),
        })?;
        // The connection goes back to the pool in a task of its own: it gets its turn before the next call asks there.
        tokio::task::yield_now().await;
        answer.body()
    }

    fn fault(&self, error: &reqwest::Error) -> Fault {
        let trusted = match self.endpoint.trust {
            Trust::Pinned(_) => "those that are trusted here",
            Trust::Fingerprint(_) => "the pinned one",
            Trust::System => "those this system trusts",
        };
        let waited = Waited { to_connect: self.endpoint.connect_timeout, in_all: self.endpoint.timeout };
        Fault::of(error, trusted, waited)
    }

    /// The one connection pool whose servers are verified in full.
    async fn verified(&self, master: &MasterUrl) -> Result<reqwest::Client, No> {
        if let Some(client) = self.session().verified.clone() {
            return Ok(client);
        }
        let roots = self.roots(master).await?;
        let client = self.client(Demand::Strict(roots), self.time.clone())?;
        self.session().verified = Some(client.clone());
        Ok(client)
    }

    /// What the server's certificate has to lead to. Found once: a fingerprint is as good for one master as for another.
    async fn roots(&self, master: &MasterUrl) -> Result<Arc<RootCertStore>, No> {
        if let Some(roots) = self.session().roots.clone() {
            return Ok(roots);
        }
        let roots = match &self.endpoint.trust {
            Trust::Pinned(anchors) => tls::roots(anchors)?,
            Trust::Fingerprint(fingerprint) => {
                let offered = self.offered_anchors(master).await?;
                tls::roots(&offered.pinned(*fingerprint).ok_or(Fault::WrongPin)?)?
            }
            Trust::System => tls::system_roots()?,
        };
        self.session().roots = Some(roots.clone());
        Ok(roots)
    }

    /// The one thing ever read from a server that was not verified.
    async fn offered_anchors(&self, master: &MasterUrl) -> Result<Anchors, No> {
        let anyone = self.client(Demand::Nothing, self.time.clone())?;
        let pem = self.send(&anyone, master, &Ask::open(path::TRUST)).await?;
        let anchors = std::str::from_utf8(&pem).ok().and_then(|pem| Anchors::from_pem(pem).ok());
        Ok(anchors.ok_or_else(|| Fault::Garbage("what it offers are no trust anchors".to_owned()))?)
    }

    fn client(&self, demand: Demand, time: MasterTime) -> Result<reqwest::Client, Fault> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::config(demand, time)?)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(self.endpoint.connect_timeout)
            .timeout(self.endpoint.timeout)
            .pool_max_idle_per_host(1)
            // Dropped when the step is over; a timer would only wake the process.
            .pool_idle_timeout(None)
            .tcp_nodelay(true)
            .user_agent(concat!("gatepass/", env!("CARGO_PKG_VERSION")));
        let unusable = |error: reqwest::Error| Fault::Request(error.without_url().to_string());
        if let Some(proxy) = &self.endpoint.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(unusable)?);
        }
        builder.build().map_err(unusable)
    }

    async fn measure(&self, master: &MasterUrl) -> Result<Skew, No> {
        let client = self.verified(master).await?;
        match self.exchanges(&client, master).await {
            Err(No::Fault(fault)) if fault.is_about_dates() && self.may_set_dates_aside() => {
                tracing::info!(%fault, "asking for the time with the certificate's dates set aside");
                self.measure_from_nothing(master).await
            }
            measured => measured,
        }
    }

    /// The system's roots vouch for too many: with them, dates count in any case.
    fn may_set_dates_aside(&self) -> bool {
        match self.endpoint.trust {
            Trust::Pinned(_) | Trust::Fingerprint(_) => true,
            Trust::System => false,
        }
    }

    /// The certificate is wrong for the time as it is known: perhaps that time is what is wrong. What the server says
    /// the time to be is only supposed; it is believed when the server's certificate is good at that very time.
    async fn measure_from_nothing(&self, master: &MasterUrl) -> Result<Skew, No> {
        let roots = self.roots(master).await?;
        let lenient = self.client(Demand::DatesAside(roots.clone()), self.time.clone())?;
        let claimed = self.exchanges(&lenient, master).await?;
        let strict = self.client(Demand::Strict(roots), self.time.supposing(claimed))?;
        let measured = self.exchanges(&strict, master).await?;
        self.session().verified = Some(strict);
        Ok(measured)
    }

    async fn exchanges(&self, client: &reqwest::Client, master: &MasterUrl) -> Result<Skew, No> {
        let mut best = self.exchange(client, master).await?;
        for _ in 1..EXCHANGES {
            let next = self.exchange(client, master).await?;
            if next.doubt <= best.doubt {
                best = next;
            }
        }
        Ok(best)
    }

    async fn exchange(&self, client: &reqwest::Client, master: &MasterUrl) -> Result<Skew, No> {
        let clock = self.time.clock();
        let left = clock.boot();
        let reply: TimeReply = parse(&self.send(client, master, &Ask::open(path::TIME)).await?)?;
        let waited = clock.boot().saturating_sub(left);
        // Reckoned back from now: should the wall clock be set on the way, the answer is right for how it stands now.
        Ok(Skew::from_exchange(clock.wall() - waited, reply.received, reply.sent, waited))
    }

    fn proven(
        &self,
        caller: &Caller,
        method: Method,
        path: &'static str,
        body: Vec<u8>,
    ) -> Result<Ask, MasterError> {
        let mut jti = [0; 16];
        aws_lc_rs::rand::fill(&mut jti).expect("the system's random source never fails once it has started");
        let request = Proven { method: method.as_str(), path, body: &body };
        let jti = BASE64URL_NOPAD.encode(&jti);
        let proof = Proof::new(caller.agent, caller.generation, request, jti, self.time.now());
        let token = proof.sign(&caller.key).map_err(|error| self.unusable(error.to_string()))?;
        Ok(Ask { method, path, body, credential: Some(bearer(&token)) })
    }

    fn unusable(&self, reason: String) -> MasterError {
        match self.endpoint.masters.first() {
            Some(master) => MasterError::Fault { master: master.clone(), fault: Fault::Request(reason) },
            None => MasterError::None(Vec::new()),
        }
    }
}

/// One master after the other, until one answers.
struct Round<'a> {
    client: &'a Client,
    first: usize,
    turn: usize,
    failed: Vec<MasterError>,
}

impl<'a> Round<'a> {
    fn next(&mut self) -> Option<&'a MasterUrl> {
        let masters = &self.client.endpoint.masters;
        let index = (self.first + self.turn).checked_rem(masters.len())?;
        self.turn += 1;
        (self.turn <= masters.len()).then(|| &masters[index])
    }

    /// `None`: this one cannot be used, go on with the next. An error: all of them would refuse.
    fn judge<T>(&mut self, master: &MasterUrl, answer: Result<T, No>) -> Result<Option<T>, MasterError> {
        let master = master.clone();
        match answer {
            Ok(answer) => {
                let masters = self.client.endpoint.masters.len();
                self.client.session().first = (self.first + self.turn - 1) % masters;
                Ok(Some(answer))
            }
            Err(No::Refused(refusal)) => Err(MasterError::Refused { master, refusal }),
            Err(No::Fault(fault)) => {
                tracing::debug!(%master, %fault, "this master cannot be used");
                self.failed.push(MasterError::Fault { master, fault });
                Ok(None)
            }
        }
    }

    fn none_answered(mut self) -> MasterError {
        let only = if self.failed.len() == 1 { self.failed.pop() } else { None };
        only.unwrap_or(MasterError::None(self.failed))
    }
}

impl Ask {
    /// One that needs no credential.
    const fn open(path: &'static str) -> Self {
        Self { method: Method::GET, path, body: Vec::new(), credential: None }
    }
}

fn bearer(token: &str) -> HeaderValue {
    let text = Zeroizing::new(format!("Bearer {token}"));
    let mut value = HeaderValue::from_str(&text).expect("keys and tokens are letters, digits and `-_.`");
    value.set_sensitive(true);
    value
}

fn json(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).expect("wire types are plain data")
}

impl Master for Client {
    async fn probe(&self) -> Result<Skew, MasterError> {
        let mut round = self.round();
        while let Some(master) = round.next() {
            if let Some(skew) = round.judge(master, self.measure(master).await)? {
                return Ok(skew);
            }
        }
        Err(round.none_answered())
    }

    async fn enrol(&self, key: &ApiKey, request: &EnrolRequest) -> Result<Issued, MasterError> {
        let credential = Some(bearer(&key.reveal()));
        self.call(Ask { method: Method::POST, path: path::AGENTS, body: json(request), credential }, parse)
            .await
    }

    async fn renew(&self, caller: &Caller, request: &RenewRequest) -> Result<Issued, MasterError> {
        self.call(self.proven(caller, Method::POST, path::CREDENTIALS, json(request))?, parse).await
    }

    async fn report(&self, caller: &Caller, report: &ReportRequest) -> Result<ReportReply, MasterError> {
        self.call(self.proven(caller, Method::POST, path::REPORTS, json(report))?, parse).await
    }

    async fn me(&self, caller: &Caller) -> Result<AgentView, MasterError> {
        self.call(self.proven(caller, Method::GET, path::SELF, Vec::new())?, parse).await
    }

    async fn deregister(&self, caller: &Caller) -> Result<(), MasterError> {
        let ask = self.proven(caller, Method::DELETE, path::SELF, Vec::new())?;
        self.call(ask, |_| Ok(())).await
    }

    fn hang_up(&self) {
        let mut session = self.session();
        (session.first, session.verified) = (0, None);
    }
}

#[cfg(test)]
mod tests;
