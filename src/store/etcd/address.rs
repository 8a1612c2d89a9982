//! The address of a database on etcd: `etcd://[user[:password]@]host:port[,…]/prefix[?option=value&…]`.

use std::fmt;
use std::path::PathBuf;

use crate::text::escape::escape;

/// The prefix of an address that names none.
const DEFAULT_PREFIX: &str = "/slothstate";
const DEFAULT_PORT: u16 = 2379;
/// What etcd accepts unless it is configured otherwise.
const DEFAULT_REQUEST_BYTES: u64 = 1_572_864;
/// With less than that there is hardly room for values.
const LEAST_REQUEST_BYTES: u64 = 256 * 1024;
const DEFAULT_OPERATIONS: usize = 128;
/// The last option of the address of a temporary database.
const LEASE_OPTION: &str = "demo-lease";

/// A password, which is never shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Password(String);

impl Password {
    /// This text as a password.
    pub fn new(text: impl Into<String>) -> Password {
        Password(text.into())
    }

    /// The text, for the one who sends it.
    pub(in crate::store) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where a database on etcd is, and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtcdAddress {
    /// The address as it is written, without its password.
    text: String,
    /// The lease under which all keys are, without one of their own: they go with it. Only a program of ours
    /// writes it into an address.
    pub lease: Option<i64>,
    /// Whether the nodes are reached by TLS.
    pub tls: bool,
    /// The user, for a server with authentication.
    pub user: Option<String>,
    /// The user's password, if it is in the address.
    pub password: Option<Password>,
    /// The nodes, each as `host:port`.
    pub nodes: Vec<String>,
    /// What all keys of the database begin with; it begins with a slash and ends with none.
    pub prefix: String,
    /// The file with the certificates of authorities that are trusted instead of the usual ones.
    pub ca: Option<PathBuf>,
    /// The files with the certificate and the key that this client shows.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The largest request in bytes (etcd's `--max-request-bytes`).
    pub max_request: u64,
    /// The most operations in one transaction (etcd's `--max-txn-ops`).
    pub max_operations: usize,
}

/// Why a text is not the address of a database on etcd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEtcdAddress {
    /// No node is named.
    #[error("the address names no host; write etcd://host:2379/prefix")]
    NoHost,
    /// A node's port is not a number.
    #[error("{0} is not a host with a port; write host:2379")]
    Node(String),
    /// The prefix is a slash alone.
    #[error(
        "the prefix is empty, so that the database would lie among the keys of everybody; write \
         etcd://host:2379/prefix"
    )]
    EmptyPrefix,
    /// The prefix leads where only the keys beside a database are.
    #[error("no part of a prefix can end in .s: slothstate keeps its own keys there")]
    ReservedPrefix,
    /// An option that there is not.
    #[error("{0} is not an option of an etcd address; there are ca, cert, key, max-request and max-ops")]
    Option(String),
    /// The value of an option is not a number, or too small.
    #[error("{0} is not a number for {1}")]
    Number(String, &'static str),
    /// Only one of two files that belong together.
    #[error("cert and key belong together: the address has only one of them")]
    HalfIdentity,
    /// Certificates without TLS.
    #[error("ca, cert and key are for TLS: write etcds://")]
    NoTls,
    /// An @ behind the first slash or question mark: of a user or a password that has one, most likely.
    #[error(
        "there is an @ after the first / or ?; in a user or a password write %2F for a slash and %3F for a \
         question mark, and in a prefix %40 for an @"
    )]
    LateAt,
    /// A percent sign that no two hexadecimal digits follow, or bytes that are not text.
    #[error("{0} has a percent sign that does not stand for a character; write %25 for the sign itself")]
    Percent(String),
}

impl EtcdAddress {
    /// Reads what follows `etcd://`, or `etcds://` with `tls`.
    ///
    /// # Errors
    /// [`InvalidEtcdAddress`]; the password is in none of them.
    pub fn parse(rest: &str, tls: bool) -> Result<EtcdAddress, InvalidEtcdAddress> {
        if rest.find(['/', '?']).is_some_and(|end| rest[end..].contains('@')) {
            return Err(InvalidEtcdAddress::LateAt);
        }
        let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
        let (authority, path) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(&rest[at..])),
            None => (rest, None),
        };
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let nodes = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(node)
            .collect::<Result<Vec<String>, InvalidEtcdAddress>>()?;
        if nodes.is_empty() {
            return Err(InvalidEtcdAddress::NoHost);
        }
        let prefix = match path {
            None => DEFAULT_PREFIX.to_string(),
            Some(path) => match decode(path)?.trim_end_matches('/') {
                "" => return Err(InvalidEtcdAddress::EmptyPrefix),
                prefix => prefix.to_string(),
            },
        };
        if prefix.split('/').any(|part| part.ends_with(".s")) {
            return Err(InvalidEtcdAddress::ReservedPrefix);
        }
        let (user, password) = match credentials.map(|all| all.split_once(':').unwrap_or((all, ""))) {
            None => (None, None),
            Some((user, password)) => {
                let hidden = |_| InvalidEtcdAddress::Percent("the password".into());
                let password = decode(password).map_err(hidden)?;
                (Some(decode(user)?), (!password.is_empty()).then_some(Password(password)))
            }
        };
        let mut address = EtcdAddress {
            text: String::new(),
            lease: None,
            tls,
            user,
            password,
            nodes,
            prefix,
            ca: None,
            identity: None,
            max_request: DEFAULT_REQUEST_BYTES,
            max_operations: DEFAULT_OPERATIONS,
        };
        address.set_options(query)?;
        address.text = address.written(credentials, hosts, path, query);
        Ok(address)
    }

    fn set_options(&mut self, query: &str) -> Result<(), InvalidEtcdAddress> {
        let (mut cert, mut key) = (None, None);
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decode(value)?;
            match name {
                "ca" => self.ca = Some(value.into()),
                "cert" => cert = Some(PathBuf::from(value)),
                "key" => key = Some(PathBuf::from(value)),
                "max-request" => self.max_request = number(&value, "max-request", LEAST_REQUEST_BYTES)?,
                "max-ops" => {
                    let most = number(&value, "max-ops", 16)?;
                    self.max_operations = usize::try_from(most).unwrap_or(usize::MAX);
                }
                LEASE_OPTION => {
                    let lease = number(&value, LEASE_OPTION, 1)?;
                    self.lease = i64::try_from(lease).ok();
                }
                other => return Err(InvalidEtcdAddress::Option(escape(other.as_bytes()))),
            }
        }
        self.identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(InvalidEtcdAddress::HalfIdentity),
        };
        match self.tls || (self.ca.is_none() && self.identity.is_none()) {
            true => Ok(()),
            false => Err(InvalidEtcdAddress::NoTls),
        }
    }

    /// The address as it was written, without the password.
    fn written(&self, credentials: Option<&str>, hosts: &str, path: Option<&str>, query: &str) -> String {
        let user = credentials.map(|all| all.split_once(':').map_or(all, |(user, _)| user));
        let user = user.map(|user| format!("{user}@")).unwrap_or_default();
        let scheme = if self.tls { "etcds" } else { "etcd" };
        let path = path.unwrap_or_default();
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        format!("{scheme}://{user}{hosts}{path}{query}")
    }

    /// The address as it is written, without the password.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The address of the same place, where all that is written goes with a lease.
    pub(super) fn under(&self, lease: i64) -> EtcdAddress {
        let sign = if self.text.contains('?') { '&' } else { '?' };
        let text = format!("{}{sign}{LEASE_OPTION}={lease}", self.text);
        EtcdAddress { text, lease: Some(lease), ..self.clone() }
    }

    /// As [`EtcdAddress::as_str`], for people.
    pub(in crate::store) fn shown(&self) -> &str {
        let option = |sign: char| self.text.rfind(&format!("{sign}{LEASE_OPTION}="));
        let end = self.lease.and_then(|_| option('&').or(option('?')));
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// The same for the same database: its nodes in their order by name, and its prefix.
    pub fn identity(&self) -> String {
        let mut nodes = self.nodes.clone();
        nodes.sort();
        format!("etcd://{}{}", nodes.join(","), self.prefix)
    }
}

/// `host:port` of a node, with the usual port where none is written.
fn node(text: &str) -> Result<String, InvalidEtcdAddress> {
    let invalid = || InvalidEtcdAddress::Node(escape(text.as_bytes()));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/?#\\\"<>^`{|}%@".contains(&byte));
    if !is_plain {
        return Err(invalid());
    }
    let after_brackets = text.rfind(']').map_or(0, |at| at + 1);
    if text.starts_with('[') != (after_brackets > 0) {
        return Err(invalid());
    }
    match text[after_brackets..].split_once(':') {
        None if after_brackets < text.len() && after_brackets > 0 => Err(invalid()),
        None => Ok(format!("{text}:{DEFAULT_PORT}")),
        Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => {
            if after_brackets == 0 && host.is_empty() { Err(invalid()) } else { Ok(text.to_string()) }
        }
        Some(_) => Err(invalid()),
    }
}

fn number(text: &str, option: &'static str, least: u64) -> Result<u64, InvalidEtcdAddress> {
    let invalid = || InvalidEtcdAddress::Number(escape(text.as_bytes()), option);
    text.parse().ok().filter(|number| *number >= least).ok_or_else(invalid)
}

/// The text in which `%2F` and its like stand for characters.
fn decode(text: &str) -> Result<String, InvalidEtcdAddress> {
    let invalid = || InvalidEtcdAddress::Percent(escape(text.as_bytes()));
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = others.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        bytes.push(digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).ok_or_else(invalid)?);
        rest = &others[2..];
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EtcdAddress, InvalidEtcdAddress> {
        EtcdAddress::parse(text, false)
    }

    #[test]
    fn an_address_names_nodes_and_a_prefix() {
        let address = parse("a:1,b,[::1]:3/prod/eu/?max-ops=64&max-request=2000000").unwrap();
        assert_eq!(address.nodes, ["a:1", "b:2379", "[::1]:3"]);
        assert_eq!((address.prefix.as_str(), address.max_operations), ("/prod/eu", 64));
        assert_eq!(address.as_str(), "etcd://a:1,b,[::1]:3/prod/eu/?max-ops=64&max-request=2000000");
        assert_eq!(parse("host").unwrap().prefix, "/slothstate");
        assert_eq!(parse("host/a%3Fb%25").unwrap().prefix, "/a?b%");
        let secure = EtcdAddress::parse("h/p?ca=/ca.pem&cert=c&key=k", true).unwrap();
        assert_eq!((secure.ca, secure.identity), (Some("/ca.pem".into()), Some(("c".into(), "k".into()))));
        assert_eq!(parse("b,a:2379/p/").unwrap().identity(), parse("a,b:2379/p").unwrap().identity());
    }

    #[test]
    fn a_password_is_never_shown() {
        let address = parse("ann:s%40cret@host/p").unwrap();
        assert_eq!(address.password.as_ref().map(Password::reveal), Some("s@cret"));
        assert_eq!(address.as_str(), "etcd://ann@host/p");
        assert!(!format!("{address:?}").contains("cret"));
        for wrong in [
            "ann:%zzcret@host/p",
            "ann:s3cret@/p",
            "ann:s3cret@host:x/p",
            "ann:s3cret@host/p?x=1",
            "ann:s3/cret@host/p",
            "ann:2/cret@host/p",
            "ann:s3?cret@host/p",
        ] {
            let error = parse(wrong).unwrap_err().to_string();
            assert!(!error.contains("cret"), "{error}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_refused() {
        use InvalidEtcdAddress as Invalid;
        for (text, expected) in [
            ("", Invalid::NoHost),
            ("/p", Invalid::NoHost),
            ("host/", Invalid::EmptyPrefix),
            ("host///", Invalid::EmptyPrefix),
            ("host/p.s", Invalid::ReservedPrefix),
            ("host/p.s/", Invalid::ReservedPrefix),
            ("host/p.s/l", Invalid::ReservedPrefix),
            ("host/p@q", Invalid::LateAt),
            ("host:x/p", Invalid::Node("host:x".into())),
            ("host:0/p", Invalid::Node("host:0".into())),
            (":1/p", Invalid::Node(":1".into())),
            ("[::1/p", Invalid::Node("[::1".into())),
            ("a b/p", Invalid::Node("a b".into())),
            ("host/p?x=1", Invalid::Option("x".into())),
            ("host/p?max-ops=many", Invalid::Number("many".into(), "max-ops")),
            ("host/p?max-ops=1", Invalid::Number("1".into(), "max-ops")),
            ("host/p?ca=x", Invalid::NoTls),
            ("host/p?cert=x", Invalid::HalfIdentity),
            ("host/%f", Invalid::Percent("/%f".into())),
            ("host/%ff", Invalid::Percent("/%ff".into())),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text}");
        }
    }
}
