//! An example for every body, by the name of its schema.
//!
//! They stand in `examples.json`, where the name of another example in place of a value stands for that example. A test
//! reads each of them as what it is an example of.

use std::collections::BTreeMap;

use gatepass_contract::wire::{Code, Problem};
use serde_json::{Map, Value, json};

const TEXT: &str = include_str!("examples.json");

/// All of them.
pub(super) fn all() -> BTreeMap<String, Value> {
    let written: Map<String, Value> = serde_json::from_str(TEXT).expect("it is part of the program");
    let inserted = written.iter().map(|(name, example)| (name.clone(), complete(example, &written)));
    inserted.collect()
}

fn complete(example: &Value, all: &Map<String, Value>) -> Value {
    match example {
        Value::String(name) => all.get(name).map_or_else(|| example.clone(), |other| complete(other, all)),
        Value::Array(items) => items.iter().map(|item| complete(item, all)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), complete(value, all))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => example.clone(),
    }
}

/// One page of such things.
pub(super) fn page(item: &Value) -> Value {
    json!({ "items": [item], "next": "AEAQCAIBAEAQCAIB" })
}

/// Every problem there is.
pub(super) fn problems() -> impl Iterator<Item = (&'static str, Value)> {
    let request = "MFRGGZDFMZTWQ2LK".parse().expect("an id");
    let problem = move |code: Code| {
        let mut problem = Problem::new(code, code.title(), request);
        problem.hint = super::super::failure::hint(code).map(str::to_owned);
        (code.as_str(), json!(problem))
    };
    Code::ALL.iter().copied().map(problem)
}

#[cfg(test)]
mod tests {
    use gatepass_contract::audit::Record;
    use gatepass_contract::wire::admin::*;
    use gatepass_contract::wire::agent::*;
    use serde::de::DeserializeOwned;

    use super::*;

    fn is<T: DeserializeOwned>(example: &Value) {
        serde_json::from_value::<T>(example.clone()).expect("an example is what it is an example of");
    }

    macro_rules! each {
        ($($name:literal $type:ty),* $(,)?) => {
            BTreeMap::from([$(($name, is::<$type> as fn(&Value))),*])
        };
    }

    #[test]
    fn every_example_can_be_read() {
        let readers = each! {
            "AgentView" AgentView, "Annotation" Annotation, "ApiKeyView" ApiKeyView, "ApprovalView" ApprovalView,
            "AuditRecord" Record, "CallerSelf" CallerSelf, "CapabilityView" Value, "Change" Change,
            "CreateApiKey" CreateApiKey, "CreateGroup" CreateGroup, "CreateRole" CreateRole,
            "CreateToken" CreateToken, "CreateUser" CreateUser, "CreatedApiKey" CreatedApiKey, "Decision" Decision,
            "DeleteApiKeys" DeleteApiKeys, "EditApiKey" EditApiKey, "EditGroup" EditGroup, "EditRole" EditRole,
            "EditToken" EditToken, "EditUser" EditUser, "EnrolRequest" EnrolRequest,
            "EnrolmentKey" EnrolmentKey, "EnrolmentKeyRequest" EnrolmentKeyRequest, "GroupView" GroupView,
            "Issued" Issued, "KeySummary" KeySummary, "KeyUsage" KeyUsage, "NoticeView" NoticeView, "OwnKey" OwnKey,
            "RenewApiKey" RenewApiKey, "RenewRequest" RenewRequest, "ReportReply" ReportReply,
            "ReportRequest" ReportRequest, "RoleView" RoleView, "RotateApiKey" RotateApiKey,
            "SetPassword" SetPassword, "SignIn" SignIn, "SignedIn" SignedIn, "TestNotice" TestNotice,
            "TimeReply" TimeReply, "TokenView" TokenView, "UnlockedToken" UnlockedToken, "UserView" UserView,
        };
        let all = all();
        assert_eq!(
            all.keys().map(String::as_str).collect::<Vec<_>>(),
            readers.keys().copied().collect::<Vec<_>>()
        );
        for (name, example) in &all {
            readers[name.as_str()](example);
        }
    }
}
