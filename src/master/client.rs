//! The real master, over HTTPS.

mod connecting;
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
use gatepass_contract::wire::{MAX_REPLY_BYTES, path};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::endpoint::Way;
use super::fault::Fault;
use super::link::{Link, Lost, server_name};
use super::reply::{Answer, No, parse};
use super::tls::{self, Demand};
use super::{Caller, Endpoint, Master, MasterError, Trust};
use crate::clock::MasterTime;
use crate::net::{Experience, Place};

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
    /// The way that worked last.
    first: usize,
    /// What came of the addresses.
    known: Experience,
    roots: Option<Arc<RootCertStore>>,
    verified: Option<Channel>,
}

/// How servers are judged, and the connection kept to one that passed.
#[derive(Debug)]
struct Channel {
    tls: Arc<ClientConfig>,
    link: Option<Link>,
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
        Self { endpoint: endpoint.complete(), time, session: Mutex::default() }
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().expect("nothing panics while it holds the lock")
    }

    /// All ways in turn, beginning with the one that worked last.
    fn round(&self) -> Round<'_> {
        Round { client: self, first: self.session().first, turn: 0, failed: Vec::new() }
    }

    async fn call<T>(&self, ask: Ask, read: fn(&[u8]) -> Result<T, Fault>) -> Result<T, MasterError> {
        let mut round = self.round();
        while let Some(way) = round.next() {
            let answer = self.verified_call(way, &ask).await.and_then(|body| Ok(read(&body)?));
            if let Some(answer) = round.judge(way, answer)? {
                return Ok(answer);
            }
        }
        Err(round.none_answered())
    }

    async fn verified_call(&self, way: Way<'_>, ask: &Ask) -> Result<Vec<u8>, No> {
        let mut channel = self.verified(way).await?;
        let answer = self.send(&mut channel, way, ask).await;
        self.session().verified = Some(channel);
        answer
    }

    async fn send(&self, channel: &mut Channel, way: Way<'_>, ask: &Ask) -> Result<Vec<u8>, No> {
        let mut request = ask.request(way.master);
        loop {
            let kept = channel.link.take().filter(|link| link.serves(way.number));
            let is_fresh = kept.is_none();
            let mut link = match kept {
                Some(link) => link,
                None => Box::pin(self.connect(&channel.tls, way)).await?,
            };
            match self.ask(&mut link, request).await {
                Ok(answer) => {
                    channel.link = Some(link);
                    return answer.body();
                }
                // The server had closed what was kept: that is nobody's fault.
                Err(Lost::Unsent(again)) if !is_fresh => request = *again,
                Err(lost) => return Err(self.lost(lost).into()),
            }
        }
    }

    async fn ask(&self, link: &mut Link, request: Request<Full<Bytes>>) -> Result<Answer, Lost> {
        let patience = self.endpoint.timeout;
        let answer = timeout(patience, link.ask(request, MAX_REPLY_BYTES)).await;
        answer.unwrap_or(Err(Lost::Late(patience)))
    }

    fn lost(&self, lost: Lost) -> Fault {
        match lost {
            Lost::Unsent(_) => Fault::Broken("the connection ended before the request was sent".to_owned()),
            Lost::Failed(error) => Fault::of(&*error, self.trusted()),
            Lost::Oversized => Fault::Oversized(MAX_REPLY_BYTES),
            Lost::Late(waited) => Fault::Silent(waited),
        }
    }

    /// For messages: what the certificate should have led to.
    fn trusted(&self) -> &'static str {
        match self.endpoint.trust {
            Trust::Pinned(_) => "those that are trusted here",
            Trust::Fingerprint(_) => "the pinned one",
            Trust::System => "those this system trusts",
        }
    }

    /// The one connection whose server is verified in full. Whoever takes it puts it back.
    async fn verified(&self, way: Way<'_>) -> Result<Channel, No> {
        if let Some(channel) = self.session().verified.take() {
            return Ok(channel);
        }
        let roots = self.roots(way).await?;
        Ok(self.channel(Demand::Strict(roots), self.time.clone())?)
    }

    /// What the server's certificate has to lead to. Found once: a fingerprint is as good for one master as for another.
    async fn roots(&self, way: Way<'_>) -> Result<Arc<RootCertStore>, No> {
        if let Some(roots) = self.session().roots.clone() {
            return Ok(roots);
        }
        let roots = match &self.endpoint.trust {
            Trust::Pinned(anchors) => tls::roots(anchors)?,
            Trust::Fingerprint(fingerprint) => {
                let offered = self.offered_anchors(way).await?;
                tls::roots(&offered.pinned(*fingerprint).ok_or(Fault::WrongPin)?)?
            }
            Trust::System => tls::system_roots()?,
        };
        self.session().roots = Some(roots.clone());
        Ok(roots)
    }

    /// The one thing ever read from a server that was not verified.
    async fn offered_anchors(&self, way: Way<'_>) -> Result<Anchors, No> {
        let mut anyone = self.channel(Demand::Nothing, self.time.clone())?;
        let pem = self.send(&mut anyone, way, &Ask::open(path::TRUST)).await?;
        let anchors = std::str::from_utf8(&pem).ok().and_then(|pem| Anchors::from_pem(pem).ok());
        Ok(anchors.ok_or_else(|| Fault::Garbage("what it offers are no trust anchors".to_owned()))?)
    }

    /// Behind a gateway the server may be any of the masters: it is verified for all of their names.
    fn channel(&self, demand: Demand, time: MasterTime) -> Result<Channel, Fault> {
        let mut names = Vec::new();
        if !self.endpoint.gateways.is_empty() {
            for master in &self.endpoint.masters {
                names.push(server_name(place(master)?.host())?);
            }
        }
        Ok(Channel { tls: Arc::new(tls::config(demand, names, time)?), link: None })
    }

    async fn measure(&self, way: Way<'_>) -> Result<Skew, No> {
        let mut channel = self.verified(way).await?;
        let measured = self.exchanges(&mut channel, way).await;
        self.session().verified = Some(channel);
        match measured {
            Err(No::Fault(fault)) if fault.is_about_dates() && self.may_set_dates_aside() => {
                tracing::info!(%fault, "asking for the time with the certificate's dates set aside");
                self.measure_from_nothing(way).await
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
    async fn measure_from_nothing(&self, way: Way<'_>) -> Result<Skew, No> {
        let roots = self.roots(way).await?;
        let mut lenient = self.channel(Demand::DatesAside(roots.clone()), self.time.clone())?;
        let claimed = self.exchanges(&mut lenient, way).await?;
        let mut strict = self.channel(Demand::Strict(roots), self.time.supposing(claimed))?;
        let measured = self.exchanges(&mut strict, way).await?;
        self.session().verified = Some(strict);
        Ok(measured)
    }

    async fn exchanges(&self, channel: &mut Channel, way: Way<'_>) -> Result<Skew, No> {
        let mut best = self.exchange(channel, way).await?;
        for _ in 1..EXCHANGES {
            let next = self.exchange(channel, way).await?;
            if next.doubt <= best.doubt {
                best = next;
            }
        }
        Ok(best)
    }

    async fn exchange(&self, channel: &mut Channel, way: Way<'_>) -> Result<Skew, No> {
        let clock = self.time.clock();
        let left = clock.boot();
        let reply: TimeReply = parse(&self.send(channel, way, &Ask::open(path::TIME)).await?)?;
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

fn place(master: &MasterUrl) -> Result<Place, Fault> {
    Place::of(&master.at("")).ok_or(Fault::UnknownHost)
}

/// One way after the other, until a master answers.
struct Round<'a> {
    client: &'a Client,
    first: usize,
    turn: usize,
    failed: Vec<MasterError>,
}

impl<'a> Round<'a> {
    fn next(&mut self) -> Option<Way<'a>> {
        let ways = self.client.endpoint.ways();
        let number = (self.first + self.turn).checked_rem(ways)?;
        self.turn += 1;
        if self.turn <= ways { self.client.endpoint.way(number) } else { None }
    }

    /// `None`: this way leads nowhere, go on with the next. An error: every master would refuse.
    fn judge<T>(&mut self, way: Way<'_>, answer: Result<T, No>) -> Result<Option<T>, MasterError> {
        let master = way.master.clone();
        match answer {
            Ok(answer) => {
                self.client.session().first = way.number;
                Ok(Some(answer))
            }
            Err(No::Refused(refusal)) => Err(MasterError::Refused { master, refusal }),
            Err(No::Fault(fault)) => {
                let fault = fault.by(way.gateway);
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

    fn request(&self, master: &MasterUrl) -> Request<Full<Bytes>> {
        let url = master.at(self.path);
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(url.path())
            .header(HOST, url.authority())
            .header(USER_AGENT, concat!("gatepass/", env!("CARGO_PKG_VERSION")));
        if !self.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(credential) = &self.credential {
            request = request.header(AUTHORIZATION, credential);
        }
        let body = Full::new(Bytes::from(self.body.clone()));
        request.body(body).expect("a URL's path and authority are in order")
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
        while let Some(way) = round.next() {
            if let Some(skew) = round.judge(way, self.measure(way).await)? {
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
        session.verified = None;
        // The first master is the first choice again; of gateways, the one that worked.
        if self.endpoint.gateways.is_empty() {
            session.first = 0;
        }
    }
}

#[cfg(test)]
mod tests;
