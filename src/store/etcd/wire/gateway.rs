//! etcd's JSON gateway over HTTP: one node at a time, the next one when it does not answer.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Error};

use super::json::{self as format, Failure};
use super::{
    KeySpan, Lease, LeaseTime, NodeStatus, RangeRequest, RangeResponse, Txn, TxnResponse, WatchMessage, Wire,
    WireError,
};
use crate::store::etcd::address::{EtcdAddress, Password};

/// How long one node is waited for.
const ATTEMPT: Duration = Duration::from_millis(1500);
/// How long an answer that has begun may take.
const ANSWER: Duration = Duration::from_secs(30);
/// The pause after all nodes were tried.
const PAUSE: Duration = Duration::from_millis(50);
/// How long a watch listens to one node: one that is cut off may stay silent.
const LISTEN: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const LARGEST_ANSWER: u64 = 1 << 30;

/// gRPC's codes, as far as something follows from them.
mod code {
    pub const UNKNOWN: i64 = 2;
    pub const DEADLINE_EXCEEDED: i64 = 4;
    pub const RESOURCE_EXHAUSTED: i64 = 8;
    pub const UNAVAILABLE: i64 = 14;
    pub const UNAUTHENTICATED: i64 = 16;
}

/// The nodes of a cluster, reached over HTTP.
pub(in crate::store) struct Gateway {
    agent: Agent,
    listener: Agent,
    /// The addresses of the nodes, without a path.
    nodes: Vec<String>,
    /// The place of the node that answered last.
    pinned: AtomicUsize,
    /// How long all nodes together are tried.
    limit: Duration,
    credentials: Option<(String, Password)>,
    /// The lease of all keys that have none.
    lease: Option<i64>,
    token: Mutex<Option<String>>,
}

/// Why one node did not do it.
enum Attempt {
    /// It answered: the status and the body.
    Answer(u16, Vec<u8>),
    /// It did not: why, and whether it may have carried it out all the same.
    Silence(String, bool),
}

impl Gateway {
    /// The nodes of `address`; a password that is not in it may be in `password`.
    ///
    /// # Errors
    /// A file with certificates or a key cannot be read: its path, and why.
    pub(in crate::store) fn new(
        address: &EtcdAddress,
        password: Option<Password>,
        limit: Duration,
    ) -> Result<Gateway, (std::path::PathBuf, io::Error)> {
        let tls = tls(address)?;
        // With a limit a thread looks the name up, for each request again: an address needs neither.
        let is_address = |node: &String| node.parse::<std::net::SocketAddr>().is_ok();
        let resolve_limit = (!address.nodes.iter().all(is_address)).then_some(ATTEMPT);
        let agent = |body: Duration| {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .proxy(None)
                .max_redirects(0)
                .user_agent("slothstate")
                .tls_config(tls.clone())
                .timeout_resolve(resolve_limit)
                .timeout_connect(Some(ATTEMPT))
                .timeout_send_request(Some(ATTEMPT))
                .timeout_send_body(Some(ATTEMPT))
                .timeout_recv_response(Some(ATTEMPT))
                .timeout_recv_body(Some(body))
                .build();
            Agent::new_with_config(config)
        };
        let scheme = if address.tls { "https" } else { "http" };
        let password = address.password.clone().or(password);
        let credentials = address.user.clone().map(|user| (user, password.unwrap_or(Password::new(""))));
        Ok(Gateway {
            agent: agent(ANSWER),
            listener: agent(LISTEN),
            nodes: address.nodes.iter().map(|node| format!("{scheme}://{node}")).collect(),
            pinned: AtomicUsize::new(0),
            limit,
            credentials,
            lease: address.lease,
            token: Mutex::default(),
        })
    }

    fn node(&self, place: usize) -> &str {
        &self.nodes[place % self.nodes.len()]
    }

    /// The next call begins with another node than that one.
    fn leave(&self, place: usize) {
        let next = place.wrapping_add(1);
        let _ = self.pinned.compare_exchange(place, next, Ordering::SeqCst, Ordering::SeqCst);
    }

    fn post(&self, agent: &Agent, url: &str, body: &[u8]) -> Result<ureq::http::Response<ureq::Body>, Error> {
        let mut request = agent
            .post(url)
            .header("Content-Type", "application/json")
            .header("Grpc-Metadata-hasleader", "true");
        // An empty one stands for a server without authentication, which refuses every token.
        if let Some(token) = &*self.token.lock().unwrap_or_else(PoisonError::into_inner)
            && !token.is_empty()
        {
            request = request.header("Authorization", token);
        }
        request.send(body)
    }

    fn attempt(&self, url: &str, body: &[u8]) -> Attempt {
        let answered = self.post(&self.agent, url, body).and_then(|answer| {
            let status = answer.status().as_u16();
            let mut read = Vec::new();
            answer.into_body().into_reader().take(LARGEST_ANSWER).read_to_end(&mut read)?;
            Ok((status, read))
        });
        match answered {
            Ok((status, read)) => Attempt::Answer(status, read),
            Err(error) => Attempt::Silence(reason(&error), may_have_arrived(&error)),
        }
    }

    /// Asks one node after the other until one answers or the time is up. Of what writes, a node that did not
    /// answer may have carried it out.
    fn call<T: DeserializeOwned>(&self, path: &str, body: &Value, is_write: bool) -> Result<T, WireError> {
        let body = body.to_string().into_bytes();
        let (start, mut may_have_arrived) = (Instant::now(), false);
        match self.ask(path, &body, is_write, start, &mut may_have_arrived) {
            // An earlier attempt may have been carried out, whatever a later one failed of.
            Err(error) if may_have_arrived && !error.is_lease_gone() => Err(WireError::Unreachable {
                waited: start.elapsed(),
                reasons: error.into_reason(),
                may_have_arrived,
            }),
            done => done,
        }
    }

    fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
        is_write: bool,
        start: Instant,
        may_have_arrived: &mut bool,
    ) -> Result<T, WireError> {
        let mut reasons: Vec<Option<String>> = vec![None; self.nodes.len()];
        let (mut tried, mut is_new_token) = (0, false);
        if self.credentials.is_some() && self.token.lock().is_ok_and(|token| token.is_none()) {
            self.authenticate()?;
        }
        loop {
            let place = self.pinned.load(Ordering::SeqCst);
            let node = self.node(place);
            match self.attempt(&format!("{node}{path}"), body) {
                Attempt::Answer(200, read) => {
                    return parse(&read).inspect_err(|_| *may_have_arrived |= is_write);
                }
                // Something between here and the node answers for it.
                Attempt::Answer(status @ 500.., read) if failure(status, &read).is_err() => {
                    *may_have_arrived |= is_write;
                    reasons[place % self.nodes.len()] = Some(format!("status {status}"));
                    self.leave(place);
                }
                Attempt::Answer(status, read) => {
                    let (code, message) = failure(status, &read)?;
                    match code {
                        code if is_of_token(code, &message)
                            && self.credentials.is_some()
                            && !is_new_token =>
                        {
                            is_new_token = true;
                            self.authenticate()?;
                            continue;
                        }
                        code if is_for_another_node(code, &message) => {
                            *may_have_arrived |= is_write && !message.contains("no leader");
                            reasons[place % self.nodes.len()] = Some(message);
                            self.leave(place);
                        }
                        // The node is well, and has too much to do.
                        code::RESOURCE_EXHAUSTED if message.contains("too many requests") => {
                            reasons[place % self.nodes.len()] = Some(message);
                        }
                        code => return Err(WireError::Refused { code, message }),
                    }
                }
                Attempt::Silence(why, arrived) => {
                    *may_have_arrived |= is_write && arrived;
                    reasons[place % self.nodes.len()] = Some(why);
                    self.leave(place);
                }
            }
            tried += 1;
            let waited = start.elapsed();
            if waited >= self.limit {
                let (reasons, may_have_arrived) = (self.in_words(&reasons), *may_have_arrived);
                return Err(WireError::Unreachable { waited, reasons, may_have_arrived });
            }
            if tried % self.nodes.len() == 0 {
                std::thread::sleep(PAUSE.min(self.limit - waited));
            }
        }
    }

    fn in_words(&self, reasons: &[Option<String>]) -> String {
        let named = |(node, reason): (&String, &Option<String>)| {
            let host = node.split_once("://").map_or(node.as_str(), |(_, host)| host);
            reason.as_ref().map(|reason| format!("{host}: {reason}"))
        };
        self.nodes.iter().zip(reasons).filter_map(named).collect::<Vec<String>>().join("; ")
    }

    /// Gets a token for the user. A wrong password is etcd's to refuse.
    fn authenticate(&self) -> Result<(), WireError> {
        let Some((name, password)) = &self.credentials else { return Ok(()) };
        let body = json!({ "name": name, "password": password.reveal() }).to_string();
        let start = Instant::now();
        loop {
            let place = self.pinned.load(Ordering::SeqCst);
            let node = self.node(place);
            drop(self.token.lock().unwrap_or_else(PoisonError::into_inner).take());
            let why = match self.attempt(&format!("{node}/v3/auth/authenticate"), body.as_bytes()) {
                Attempt::Answer(200, read) => {
                    let answer: format::TokenAnswer = parse(&read)?;
                    *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.token);
                    return Ok(());
                }
                Attempt::Answer(status, read) => match failure(status, &read)? {
                    (code, message) if is_for_another_node(code, &message) => message,
                    // A user is named where the server knows none: it lets everybody in.
                    (_, message) if message.contains("authentication is not enabled") => {
                        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = Some(String::new());
                        return Ok(());
                    }
                    (_, message) => {
                        return Err(WireError::Refused { code: code::UNAUTHENTICATED, message });
                    }
                },
                Attempt::Silence(why, _) => why,
            };
            self.leave(place);
            let waited = start.elapsed();
            if waited >= self.limit {
                let reasons = format!("{node}: {why}");
                return Err(WireError::Unreachable { waited, reasons, may_have_arrived: false });
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Wire for Gateway {
    fn range(&self, request: &RangeRequest) -> Result<RangeResponse, WireError> {
        let answer: format::RangeAnswer = self.call("/v3/kv/range", &format::range(request), false)?;
        let revision = answer.header.revision;
        Ok(answer.plain(revision))
    }

    fn txn(&self, txn: &Txn) -> Result<TxnResponse, WireError> {
        let writes = txn.success.iter().chain(&txn.failure).any(|op| !matches!(op, super::Op::Range(_)));
        let body = match self.lease {
            Some(lease) => format::txn(&txn.clone().under(lease)),
            None => format::txn(txn),
        };
        let answer: format::TxnAnswer = self.call("/v3/kv/txn", &body, writes)?;
        Ok(answer.plain())
    }

    fn grant(&self, seconds: i64) -> Result<Lease, WireError> {
        let body = json!({ "TTL": seconds.to_string() });
        // One that was granted without an answer ends by itself.
        let answer: format::LeaseAnswer = self.call("/v3/lease/grant", &body, false)?;
        Ok(Lease { id: answer.id, seconds: answer.ttl })
    }

    fn revoke(&self, lease: i64) -> Result<(), WireError> {
        let body = json!({ "ID": lease.to_string() });
        match self.call::<Value>("/v3/lease/revoke", &body, true) {
            Err(error) if error.is_lease_gone() => Ok(()),
            other => other.map(drop),
        }
    }

    fn keep_alive(&self, lease: i64) -> Result<Option<i64>, WireError> {
        let body = json!({ "ID": lease.to_string() });
        let line: format::Line<format::LeaseAnswer> = self.call("/v3/lease/keepalive", &body, false)?;
        match (line.result, line.error) {
            (Some(answer), _) => Ok(Some(answer.ttl).filter(|seconds| *seconds > 0)),
            (None, Some(failure)) => {
                let (code, message) = failure.plain();
                let error = WireError::Refused { code, message };
                if error.is_lease_gone() { Ok(None) } else { Err(error) }
            }
            (None, None) => Err(WireError::Malformed { reason: "a renewal without an answer".into() }),
        }
    }

    fn time_to_live(&self, lease: i64) -> Result<Option<LeaseTime>, WireError> {
        let body = json!({ "ID": lease.to_string() });
        let answer: format::LeaseAnswer = self.call("/v3/lease/timetolive", &body, false)?;
        let time = LeaseTime { granted: answer.granted, left: answer.ttl };
        // -1 stands for a lease that is gone.
        Ok(Some(time).filter(|time| time.left >= 0 && time.granted > 0))
    }

    fn watch(
        &self,
        spans: &[KeySpan],
        from: i64,
        each: &mut dyn FnMut(WatchMessage) -> bool,
    ) -> Result<(), WireError> {
        if self.credentials.is_some() && self.token.lock().is_ok_and(|token| token.is_none()) {
            self.authenticate()?;
        }
        let place = self.pinned.load(Ordering::SeqCst);
        let url = format!("{}/v3/watch", self.node(place));
        let body: String = spans.iter().map(|span| format!("{}\n", format::watch(span, from))).collect();
        let silence = |reasons: String| {
            self.leave(place);
            WireError::Unreachable { waited: Duration::ZERO, reasons, may_have_arrived: false }
        };
        let answer =
            self.post(&self.listener, &url, body.as_bytes()).map_err(|error| silence(reason(&error)))?;
        if answer.status().as_u16() != 200 {
            return Err(silence(format!("status {}", answer.status())));
        }
        let mut lines = BufReader::new(answer.into_body().into_reader());
        let mut line = Vec::new();
        loop {
            line.clear();
            match lines.by_ref().take(LARGEST_ANSWER).read_until(b'\n', &mut line) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // After some seconds it is opened again.
                Err(error) if is_time_up(&error) => return Ok(()),
                Err(error) => return Err(silence(error.to_string())),
            }
            let read: format::Line<format::WatchAnswer> = parse(&line)?;
            if let Some(failure) = read.error {
                let (code, message) = failure.plain();
                if code == code::UNAUTHENTICATED {
                    drop(self.token.lock().unwrap_or_else(PoisonError::into_inner).take());
                }
                return Err(silence(message));
            }
            match read.result.map(format::WatchAnswer::plain) {
                Some(Ok(Some(message))) => {
                    if !each(message) {
                        return Ok(());
                    }
                }
                Some(Err(words)) => return Err(silence(words)),
                Some(Ok(None)) | None => {}
            }
        }
    }

    fn nodes(&self) -> Vec<(String, Result<NodeStatus, WireError>)> {
        let status = |node: &String| {
            let host = node.split_once("://").map_or(node.as_str(), |(_, host)| host).to_string();
            let status = match self.attempt(&format!("{node}/v3/maintenance/status"), b"{}") {
                Attempt::Answer(200, read) => parse::<format::StatusAnswer>(&read).map(|it| it.plain()),
                Attempt::Answer(status, read) => failure(status, &read)
                    .and_then(|(code, message)| Err(WireError::Refused { code, message })),
                Attempt::Silence(reasons, _) => {
                    Err(WireError::Unreachable { waited: ATTEMPT, reasons, may_have_arrived: false })
                }
            };
            (host, status)
        };
        self.nodes.iter().map(status).collect()
    }

    fn ignores_user(&self) -> bool {
        self.token.lock().is_ok_and(|token| token.as_ref().is_some_and(String::is_empty))
    }

    fn alarms(&self) -> Result<Vec<String>, WireError> {
        let body = json!({ "action": "GET" });
        let answer: format::AlarmAnswer = self.call("/v3/maintenance/alarm", &body, false)?;
        Ok(answer.plain())
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    serde_json::from_slice(bytes).map_err(|error| WireError::Malformed { reason: error.to_string() })
}

/// The code and the words of an answer that is not a success.
fn failure(status: u16, body: &[u8]) -> Result<(i64, String), WireError> {
    match serde_json::from_slice::<Failure>(body).map(Failure::plain) {
        Ok((code, message)) if code != 0 => Ok((code, message)),
        _ => Err(WireError::NotEtcd { reason: format!("it answers with status {status}") }),
    }
}

/// Whether the token is not taken any more; every change of a role ends those of JWT.
fn is_of_token(code: i64, message: &str) -> bool {
    // Without a token there is no user: authentication was enabled since.
    let is_new = ["auth store is old", "user name is empty"].iter().any(|words| message.contains(words));
    code == code::UNAUTHENTICATED || is_new
}

/// Whether another node, or the same one a little later, may do what this one did not.
fn is_for_another_node(code: i64, message: &str) -> bool {
    let is_late = [
        "timed out",
        "deadline exceeded",
        "context canceled",
        "stopped",
        "leader changed",
        "proposal dropped",
    ];
    match code {
        code::UNAVAILABLE | code::DEADLINE_EXCEEDED => true,
        code::UNKNOWN => is_late.iter().any(|words| message.contains(words)),
        _ => false,
    }
}

/// The reason for a missing reply, in short.
fn reason(error: &Error) -> String {
    match error {
        Error::Io(error) => io_reason(error),
        Error::Timeout(_) => format!("no answer in {:.1} s", ATTEMPT.as_secs_f64()),
        Error::HostNotFound => "the host does not exist".into(),
        Error::ConnectionFailed => "connection failed".into(),
        other => other.to_string(),
    }
}

fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".into(),
        _ => error.to_string(),
    }
}

fn may_have_arrived(error: &Error) -> bool {
    use ureq::Timeout;
    match error {
        Error::Io(error) => error.kind() != io::ErrorKind::ConnectionRefused,
        Error::Timeout(Timeout::Resolve | Timeout::Connect) => false,
        Error::HostNotFound | Error::ConnectionFailed => false,
        _ => true,
    }
}

fn is_time_up(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    matches!(inner, Some(Error::Timeout(_))) || error.kind() == io::ErrorKind::TimedOut
}

/// Which certificates are trusted and shown.
fn tls(address: &EtcdAddress) -> Result<TlsConfig, (std::path::PathBuf, io::Error)> {
    let read = |path: &std::path::PathBuf| std::fs::read(path).map_err(|error| (path.clone(), error));
    let invalid = |path: &std::path::PathBuf, error: Error| {
        (path.clone(), io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
    };
    let certificates = |path: &std::path::PathBuf| {
        let pem = read(path)?;
        let mut all: Vec<Certificate<'static>> = Vec::new();
        for item in parse_pem(&pem) {
            if let ureq::tls::PemItem::Certificate(found) = item.map_err(|error| invalid(path, error))? {
                all.push(found);
            }
        }
        let none = io::Error::new(io::ErrorKind::InvalidData, "the file has no certificate");
        if all.is_empty() { Err((path.clone(), none)) } else { Ok(all) }
    };
    let mut config = TlsConfig::builder();
    if let Some(ca) = &address.ca {
        config = config.root_certs(RootCerts::new_with_certs(&certificates(ca)?));
    }
    if let Some((certificate, key)) = &address.identity {
        let chain = certificates(certificate)?;
        let key = PrivateKey::from_pem(&read(key)?).map_err(|error| invalid(key, error))?;
        config = config.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(config.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_looked_up() {
        let limit = |nodes: &str| {
            let address = EtcdAddress::parse(&format!("{nodes}/p"), false).unwrap();
            let gateway = Gateway::new(&address, None, ATTEMPT).unwrap();
            gateway.agent.config().timeouts().resolve
        };
        assert_eq!(limit("127.0.0.1:2379,[::1]:2379"), None);
        assert_eq!(limit("127.0.0.1"), None);
        assert_eq!(limit("localhost:2379"), Some(ATTEMPT));
        assert_eq!(limit("127.0.0.1:2379,node2:2379"), Some(ATTEMPT));
    }
}
