//! Requests and answers as the JSON of etcd's gateway: bytes in base64, 64-bit numbers as strings, and what
//! is 0 or empty left out.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use serde_json::{Value, json};

use super::{
    Compare, Compared, KeySpan, KeyValue, NodeStatus, Op, OpResponse, RangeRequest, RangeResponse, Relation,
    Txn, TxnResponse, WatchEvent, WatchMessage,
};

struct Base64;

impl Visitor<'_> for Base64 {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes in base64")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        STANDARD.decode(text).map_err(E::custom)
    }
}

/// Reads bytes.
pub(super) fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    deserializer.deserialize_str(Base64)
}

struct Digits;

impl Visitor<'_> for Digits {
    type Value = i64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a 64-bit number")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
        // Ids of clusters and members have no sign.
        text.parse().or_else(|_| text.parse::<u64>().map(u64::cast_signed)).map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
        Ok(number)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
        Ok(number.cast_signed())
    }
}

/// Reads a number that is written as a string or as a number.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
    deserializer.deserialize_any(Digits)
}

fn encoded(bytes: &[u8]) -> Value {
    Value::String(STANDARD.encode(bytes))
}

fn span(request: &mut Value, span: &KeySpan) {
    request["key"] = encoded(&span.start);
    if !span.end.is_empty() {
        request["range_end"] = encoded(&span.end);
    }
}

/// A range, as a request of its own or in a transaction.
pub(super) fn range(request: &RangeRequest) -> Value {
    let mut json = json!({});
    span(&mut json, &request.span);
    let mut number = |name: &str, number: i64| {
        if number != 0 {
            json[name] = Value::String(number.to_string());
        }
    };
    number("limit", request.limit);
    number("revision", request.revision);
    number("min_mod_revision", request.min_mod_revision);
    number("max_mod_revision", request.max_mod_revision);
    if request.is_descending {
        json["sort_target"] = "KEY".into();
        json["sort_order"] = "DESCEND".into();
    }
    if request.keys_only {
        json["keys_only"] = true.into();
    }
    if request.count_only {
        json["count_only"] = true.into();
    }
    json
}

fn compare(compare: &Compare) -> Value {
    let (target, field) = match compare.compared {
        Compared::Created => ("CREATE", "create_revision"),
        Compared::Modified => ("MOD", "mod_revision"),
    };
    let result = match compare.relation {
        Relation::Equal => "EQUAL",
        Relation::Less => "LESS",
    };
    let mut json = json!({ "target": target, "result": result });
    json[field] = Value::String(compare.number.to_string());
    span(&mut json, &compare.span);
    json
}

fn op(op: &Op) -> Value {
    match op {
        Op::Range(request) => json!({ "request_range": range(request) }),
        Op::Put { key, value, lease } => {
            let mut put = json!({ "key": encoded(key), "value": encoded(value) });
            if *lease != 0 {
                put["lease"] = Value::String(lease.to_string());
            }
            json!({ "request_put": put })
        }
        Op::Delete(keys) => {
            let mut delete = json!({});
            span(&mut delete, keys);
            json!({ "request_delete_range": delete })
        }
    }
}

/// A transaction.
pub(super) fn txn(txn: &Txn) -> Value {
    let all = |ops: &[Op]| ops.iter().map(op).collect::<Vec<Value>>();
    json!({
        "compare": txn.compares.iter().map(compare).collect::<Vec<Value>>(),
        "success": all(&txn.success),
        "failure": all(&txn.failure),
    })
}

/// The request for one of the ranges of a watch.
pub(super) fn watch(keys: &KeySpan, from: i64) -> Value {
    let mut create = json!({ "start_revision": from.to_string() });
    span(&mut create, keys);
    json!({ "create_request": create })
}

/// What every answer begins with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    #[serde(deserialize_with = "number")]
    pub cluster_id: i64,
    #[serde(deserialize_with = "number")]
    pub revision: i64,
}

/// The answer to a range.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RangeAnswer {
    pub header: Header,
    kvs: Vec<KeyValue>,
    more: bool,
    #[serde(deserialize_with = "number")]
    count: i64,
}

impl RangeAnswer {
    /// As a plain type; within a transaction the revision is that of the whole answer.
    pub(super) fn plain(self, revision: i64) -> RangeResponse {
        RangeResponse { revision, kvs: self.kvs, more: self.more, count: self.count }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Deleted {
    #[serde(deserialize_with = "number")]
    deleted: i64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OpAnswer {
    response_range: Option<RangeAnswer>,
    response_delete_range: Option<Deleted>,
}

/// The answer to a transaction.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TxnAnswer {
    pub header: Header,
    succeeded: bool,
    responses: Vec<OpAnswer>,
}

impl TxnAnswer {
    pub(super) fn plain(self) -> TxnResponse {
        let revision = self.header.revision;
        let response = |answer: OpAnswer| match (answer.response_range, answer.response_delete_range) {
            (Some(range), _) => OpResponse::Range(range.plain(revision)),
            (None, Some(deleted)) => OpResponse::Delete(deleted.deleted),
            (None, None) => OpResponse::Put,
        };
        let responses = self.responses.into_iter().map(response).collect();
        TxnResponse { revision, succeeded: self.succeeded, responses }
    }
}

/// The answer about a lease.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LeaseAnswer {
    #[serde(rename = "ID", deserialize_with = "number")]
    pub id: i64,
    #[serde(rename = "TTL", deserialize_with = "number")]
    pub ttl: i64,
    #[serde(rename = "grantedTTL", deserialize_with = "number")]
    pub granted: i64,
}

/// A line of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Line<T> {
    pub result: Option<T>,
    pub error: Option<Failure>,
}

/// The token of a user.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenAnswer {
    pub token: String,
}

/// What a node says of itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusAnswer {
    header: Header,
    version: String,
    #[serde(rename = "dbSize", deserialize_with = "number")]
    db_size: i64,
    #[serde(rename = "dbSizeInUse", deserialize_with = "number")]
    db_size_in_use: i64,
    #[serde(rename = "dbSizeQuota", deserialize_with = "number")]
    db_size_quota: i64,
    #[serde(deserialize_with = "number")]
    leader: i64,
}

impl StatusAnswer {
    pub(super) fn plain(self) -> NodeStatus {
        NodeStatus {
            version: self.version,
            db_bytes: self.db_size,
            db_bytes_in_use: self.db_size_in_use,
            quota_bytes: Some(self.db_size_quota).filter(|quota| *quota > 0),
            has_leader: self.leader != 0,
            cluster: self.header.cluster_id.cast_unsigned(),
            revision: self.header.revision,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Alarm {
    alarm: String,
}

/// The alarms of a cluster.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AlarmAnswer {
    alarms: Vec<Alarm>,
}

impl AlarmAnswer {
    pub(super) fn plain(self) -> Vec<String> {
        self.alarms.into_iter().map(|alarm| alarm.alarm).collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    kv: KeyValue,
}

/// What a watch says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WatchAnswer {
    header: Header,
    canceled: bool,
    cancel_reason: String,
    #[serde(deserialize_with = "number")]
    compact_revision: i64,
    events: Vec<Event>,
}

impl WatchAnswer {
    /// The message, if it is one; etcd's words if the watch ended.
    pub(super) fn plain(self) -> Result<Option<WatchMessage>, String> {
        if self.compact_revision > 0 {
            return Ok(Some(WatchMessage::Compacted { oldest: self.compact_revision }));
        }
        if self.canceled {
            return Err(self.cancel_reason);
        }
        if self.events.is_empty() {
            return Ok(None);
        }
        let event = |event: Event| WatchEvent { is_deleted: event.kind == "DELETE", kv: event.kv };
        let events: Vec<WatchEvent> = self.events.into_iter().map(event).collect();
        let newest = events.iter().map(|event| event.kv.mod_revision).max().unwrap_or(self.header.revision);
        Ok(Some(WatchMessage::Events { revision: newest, events }))
    }
}

/// Why something failed: a code of gRPC and etcd's words. A stream names them otherwise.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failure {
    code: i64,
    grpc_code: i64,
    message: String,
    error: Option<Value>,
}

impl Failure {
    pub(super) fn plain(self) -> (i64, String) {
        let code = if self.code == 0 { self.grpc_code } else { self.code };
        let words = match (self.message.is_empty(), self.error) {
            (true, Some(Value::String(words))) => words,
            _ => self.message,
        };
        (code, words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_is_written_as_the_gateway_reads_it() {
        let all = Txn {
            compares: vec![
                Compare::modified_at(b"k".to_vec(), 7),
                Compare::unchanged_since(KeySpan { start: b"a".to_vec(), end: b"b".to_vec() }, 9),
            ],
            success: vec![
                Op::Put { key: b"k".to_vec(), value: vec![0, 255], lease: 5 },
                Op::delete(b"x".to_vec()),
            ],
            failure: vec![Op::Range(RangeRequest {
                limit: 3,
                is_descending: true,
                keys_only: true,
                ..RangeRequest::key(b"k".to_vec())
            })],
        };
        let expected = json!({
            "compare": [
                { "target": "MOD", "result": "EQUAL", "mod_revision": "7", "key": "aw==" },
                { "target": "MOD", "result": "LESS", "mod_revision": "10", "key": "YQ==", "range_end": "Yg==" },
            ],
            "success": [
                { "request_put": { "key": "aw==", "value": "AP8=", "lease": "5" } },
                { "request_delete_range": { "key": "eA==" } },
            ],
            "failure": [{ "request_range": { "key": "aw==", "limit": "3", "sort_target": "KEY",
                "sort_order": "DESCEND", "keys_only": true } }],
        });
        assert_eq!(txn(&all), expected);
    }

    #[test]
    fn answers_are_read_and_wrong_ones_are_errors() {
        let answer: TxnAnswer = serde_json::from_str(
            r#"{"header":{"cluster_id":"14841639068965178418","revision":"12"},"succeeded":true,"responses":[
                {"response_range":{"header":{"revision":"12"},"kvs":[{"key":"aw==","create_revision":"2",
                "mod_revision":"12","version":"3","value":"MQ=="}],"count":"1"}},
                {"response_put":{"header":{"revision":"12"}}},{"response_delete_range":{"deleted":"2"}}]}"#,
        )
        .unwrap();
        let TxnResponse { revision: 12, succeeded: true, responses } = answer.plain() else { panic!() };
        let OpResponse::Range(range) = &responses[0] else { panic!() };
        let expected = KeyValue {
            key: b"k".to_vec(),
            value: b"1".to_vec(),
            create_revision: 2,
            mod_revision: 12,
            version: 3,
            lease: 0,
        };
        assert_eq!(range.kvs, [expected]);
        assert_eq!(responses[1..], [OpResponse::Put, OpResponse::Delete(2)]);
        for wrong in [
            r#"{"kvs":[{"key":"?"}]}"#,
            r#"{"kvs":[{"mod_revision":"many"}]}"#,
            r#"{"kvs":7}"#,
            r#"{"kvs":[{"key":null}]}"#,
            "",
            "[]x",
        ] {
            assert!(serde_json::from_str::<RangeAnswer>(wrong).is_err(), "{wrong}");
        }
    }
}
