//! Random histories of a key, compared with a small model: what may happen, happens; what must not, is refused with the
//! right code and changes nothing.

use gatepass_contract::id::ApprovalId;
use gatepass_contract::wire::Code;
use gatepass_contract::wire::admin::{
    ApprovalKind, ApprovalState, Capability, CredentialKind, EditApiKey, Expiry, KeyKind, KeyState,
    RotationState,
};

use super::sample::{HOUR, NOW, SECRETS, record, user};
use super::*;
use crate::domain::approval::{ApprovalPolicy, Trigger};
use crate::domain::audit::Credential;
use crate::domain::principal::Principal;
use crate::domain::version::Expected;

/// All that matters about a key, in the fewest words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Model {
    state: KeyState,
    ends: Option<u64>,
    /// What, for whom, and the end that is asked for.
    waits: Option<(ApprovalKind, usize, Option<u64>)>,
    rotation: Option<(RotationState, u64)>,
}

const PEOPLE: [(&str, &[Capability]); 5] = [
    ("root", &[Capability::KeyCreate, Capability::AgentEnrol]),
    (
        "manager",
        &[
            Capability::AgentEnrol,
            Capability::KeyRead,
            Capability::KeyManage,
            Capability::KeyDelete,
            Capability::KeyApprove,
        ],
    ),
    ("approver", &[Capability::KeyRead, Capability::KeyApprove]),
    ("reader", &[Capability::KeyRead]),
    ("nobody", &[]),
];
const OWNER: usize = 0;
/// Hours that two secrets are good, and that a renewal lasts.
const OVERLAP: u64 = 3;
const LIFE: u64 = 5;

impl Model {
    fn rights(event: KeyEvent, who: usize) -> Result<(), Code> {
        let need = match event {
            KeyEvent::Approve | KeyEvent::Reject => Capability::KeyApprove,
            KeyEvent::Delete => Capability::KeyDelete,
            KeyEvent::Edit
            | KeyEvent::Renew
            | KeyEvent::Rotate
            | KeyEvent::Suspend
            | KeyEvent::Resume
            | KeyEvent::Revoke => Capability::KeyManage,
        };
        let held = PEOPLE[who].1;
        match () {
            () if held.contains(&need) => Ok(()),
            () if who == OWNER && need != Capability::KeyApprove => Ok(()),
            () if who == OWNER || held.contains(&Capability::KeyRead) => Err(Code::CapabilityMissing),
            () => Err(Code::NotFound),
        }
    }

    /// The model after that, or the code it is refused with.
    fn after(self, event: KeyEvent, who: usize, hour: u64, consent: bool) -> Result<Self, Code> {
        use KeyState::{Active, Deleted, Rejected, Revoked, Suspended};
        if self.state == Deleted {
            return Err(Code::NotFound);
        }
        Self::rights(event, who)?;
        let in_use = matches!(self.state, Active | Suspended);
        let allowed = |yes: bool| if yes { Ok(self) } else { Err(Code::IllegalMove) };
        let ended = |model: Self, state| Self { state, waits: None, ..model };
        match event {
            KeyEvent::Edit => allowed(in_use),
            KeyEvent::Suspend => allowed(self.state == Active).map(|m| Self { state: Suspended, ..m }),
            KeyEvent::Resume => allowed(self.state == Suspended).map(|m| Self { state: Active, ..m }),
            KeyEvent::Revoke => allowed(in_use).map(|m| ended(m, Revoked)),
            KeyEvent::Delete => {
                let over = in_use && self.ends.is_some_and(|ends| ends <= hour);
                let gone = allowed(over || matches!(self.state, Revoked | Rejected))?;
                Ok(Self { rotation: None, ..ended(gone, Deleted) })
            }
            KeyEvent::Renew => match allowed(in_use)? {
                Self { ends: None, .. } => Err(Code::Unacceptable),
                Self { waits: Some(_), .. } => Err(Code::RequestPending),
                free if consent => {
                    Ok(Self { waits: Some((ApprovalKind::Renewal, who, Some(hour + LIFE))), ..free })
                }
                free => Ok(Self { ends: Some(hour + LIFE), ..free }),
            },
            KeyEvent::Rotate => match allowed(in_use)? {
                Self { rotation: Some((RotationState::Pending, _)), .. } => Err(Code::IllegalMove),
                Self { rotation: Some((_, deadline)), .. } if hour < deadline => Err(Code::IllegalMove),
                Self { waits: Some(_), .. } if consent => Err(Code::RequestPending),
                free if consent => Ok(Self {
                    rotation: Some((RotationState::Pending, hour + OVERLAP)),
                    waits: Some((ApprovalKind::Rotation, who, None)),
                    ..free
                }),
                free => Ok(Self { rotation: Some((RotationState::Ready, hour + OVERLAP)), ..free }),
            },
            KeyEvent::Approve | KeyEvent::Reject => {
                let waits = self.waits.ok_or(Code::IllegalMove)?;
                let own = waits.1 == who || who == OWNER;
                if own {
                    Err(Code::OwnRequest)
                } else {
                    self.decided(waits, event == KeyEvent::Approve, hour)
                }
            }
        }
    }

    fn decided(self, waits: (ApprovalKind, usize, Option<u64>), yes: bool, hour: u64) -> Result<Self, Code> {
        let decided = Self { waits: None, ..self };
        Ok(match (waits, yes) {
            ((ApprovalKind::Creation, ..), true) => Self { state: KeyState::Active, ..decided },
            ((ApprovalKind::Creation, ..), false) => Self { state: KeyState::Rejected, ..decided },
            ((ApprovalKind::Renewal, _, Some(ends)), true) if ends <= hour => return Err(Code::Unacceptable),
            ((ApprovalKind::Renewal, _, ends), true) => Self { ends, ..decided },
            ((ApprovalKind::Renewal, ..), false) => decided,
            ((ApprovalKind::Rotation, ..), true) => {
                Self { rotation: Some((RotationState::Ready, hour + OVERLAP)), ..decided }
            }
            ((ApprovalKind::Rotation, ..), false) => Self { rotation: None, ..decided },
        })
    }
}

/// A repeatable source of choices (Marsaglia's xorshift).
struct Lots(u64);

impl Lots {
    fn draw(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % below
    }
}

fn principal(who: usize) -> Principal {
    let (name, capabilities) = PEOPLE[who];
    Principal {
        user: user(name),
        credential: Credential::Password,
        kind: CredentialKind::ApiKey,
        name: String::new(),
        groups: Vec::new(),
        capabilities: capabilities.to_vec(),
        expires: Expiry::Never,
    }
}

fn act(event: KeyEvent, hour: u64) -> Act {
    match event {
        KeyEvent::Approve => Act::Approve(String::new()),
        KeyEvent::Reject => Act::Reject("no".to_owned()),
        KeyEvent::Edit => {
            Act::Edit(EditApiKey { description: Some(hour.to_string()), ..EditApiKey::default() })
        }
        KeyEvent::Renew => Act::Renew(None),
        KeyEvent::Rotate => Act::Rotate { next: SECRETS[1].digest(), overlap: None },
        KeyEvent::Suspend => Act::Suspend,
        KeyEvent::Resume => Act::Resume,
        KeyEvent::Revoke => Act::Revoke,
        KeyEvent::Delete => Act::Delete,
    }
}

fn rules(consent: bool) -> KeyRules {
    let triggers = if consent { vec![Trigger::Kind(KeyKind::Service)] } else { Vec::new() };
    let approval = ApprovalPolicy { creation: Vec::new(), renewal: triggers.clone(), rotation: triggers };
    let life = u32::try_from(LIFE).expect("a few");
    let expiry = ExpiryPolicy { default: HOUR * life, never: false, longest: None };
    KeyRules { expiry, approval, overlap: HOUR * u32::try_from(OVERLAP).expect("a few") }
}

fn hours(at: gatepass_contract::time::UnixTime) -> u64 {
    at.since(NOW).as_secs() / 3600
}

/// What the model would say of this key.
fn modelled(case: &Case) -> Model {
    let ends = |expires| match expires {
        Expiry::At(at) => Some(hours(at)),
        Expiry::Never => None,
    };
    let person = |name: &_| PEOPLE.iter().position(|(known, _)| user(known) == *name).expect("one of them");
    let waits = case.pending.as_ref();
    Model {
        state: case.key.state,
        ends: ends(case.key.key.expires),
        waits: waits.map(|waits| (waits.kind, person(&waits.requester), waits.wanted.and_then(ends))),
        rotation: case.key.rotation.as_ref().map(|rotation| (rotation.state, hours(rotation.deadline))),
    }
}

fn beginning(lots: &mut Lots) -> Case {
    let mut key = record();
    key.key.expires = if lots.draw(5) == 0 { Expiry::Never } else { Expiry::At(NOW + HOUR * 4) };
    let capabilities = key.key.capabilities.clone();
    let mut case = Case { key, pending: None, owner: PEOPLE[OWNER].1.to_vec(), capabilities };
    if lots.draw(2) == 0 {
        case.key.state = KeyState::Pending;
        let (by, rules, expected) = (principal(lots.draw(2)), rules(true), Expected::Any);
        let asked =
            Asked { by: &by, at: NOW, expected: &expected, rules: &rules, request: ApprovalId([1; 10]) };
        case.pending = Some(case.request(ApprovalKind::Creation, None, asked));
    }
    case
}

/// One step of both; they must agree.
fn step(case: &mut Case, lots: &mut Lots, hour: u64) -> Result<KeyEvent, Code> {
    let event = KeyEvent::ALL[lots.draw(KeyEvent::ALL.len())];
    let (who, consent) = (lots.draw(PEOPLE.len()), lots.draw(2) == 0);
    let (by, rules) = (principal(who), rules(consent));
    let asked = Asked {
        by: &by,
        at: NOW + HOUR * u32::try_from(hour).expect("a few"),
        expected: &Expected::Any,
        rules: &rules,
        request: ApprovalId([2; 10]),
    };
    let got = case.decide(act(event, hour), asked);
    let want = modelled(case).after(event, who, hour, consent);
    match got {
        Err(why) => {
            assert_eq!(want.err(), Some(why.code()), "{event:?} by {who} in hour {hour}: {why}, {case:?}");
            if let Objection::Illegal(illegal) = &why {
                assert!(illegal.to_string().contains(case.key.state.as_str()), "it names the state");
            }
            Err(why.code())
        }
        Ok(changed) => {
            let want = want.unwrap_or_else(|code| panic!("{event:?} by {who}: {code} expected, {case:?}"));
            assert_eq!(
                changed.key.version,
                case.key.version + u64::from(changed.key != case.key),
                "{event:?}"
            );
            case.key = changed.key;
            case.pending = match changed.approval {
                Some(approval) => Some(approval).filter(|approval| approval.state == ApprovalState::Pending),
                None => case.pending.take(),
            };
            assert_eq!(modelled(case), want, "{event:?} by {who} in hour {hour}");
            Ok(event)
        }
    }
}

#[test]
fn random_histories_go_as_the_model_says() {
    let (mut done, mut refused) = (std::collections::HashSet::new(), std::collections::HashSet::new());
    for seed in 1..3000 {
        let mut lots = Lots(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(seed));
        let (mut case, mut hour) = (beginning(&mut lots), 0);
        for _ in 0..40 {
            hour += u64::try_from(lots.draw(2)).expect("0 or 1");
            match step(&mut case, &mut lots, hour) {
                Ok(event) => drop(done.insert(format!("{event:?}"))),
                Err(code) => drop(refused.insert(code)),
            }
            assert!(case.pending.as_ref().is_none_or(|pending| pending.fits(case.key.state)));
            let waits_to_exist = matches!(&case.pending, Some(p) if p.kind == ApprovalKind::Creation);
            assert_eq!(case.key.state == KeyState::Pending, waits_to_exist);
        }
    }
    assert_eq!(done.len(), KeyEvent::ALL.len(), "every event took place: {done:?}");
    assert_eq!(refused.len(), 6, "every reason to refuse occurred: {refused:?}");
}

#[test]
fn who_means_another_version_changes_nothing() {
    let case = Case { key: record(), pending: None, capabilities: Vec::new(), owner: Vec::new() };
    let (by, rules) = (principal(OWNER), rules(false));
    for (expected, want) in [
        (Expected::Any, None),
        (Expected::OneOf(vec![1]), None),
        (Expected::OneOf(vec![2]), Some(Code::PreconditionFailed)),
        (Expected::OneOf(Vec::new()), Some(Code::PreconditionFailed)),
    ] {
        let asked =
            Asked { by: &by, at: NOW, expected: &expected, rules: &rules, request: ApprovalId([1; 10]) };
        assert_eq!(case.decide(Act::Suspend, asked).err().map(|why| why.code()), want, "{expected:?}");
    }
}

#[test]
fn a_decision_needs_a_reason_that_can_be_told() {
    let mut case = Case { key: record(), pending: None, capabilities: Vec::new(), owner: Vec::new() };
    case.key.state = KeyState::Pending;
    let (owner, approver, rules) = (principal(OWNER), principal(2), rules(true));
    let expected = Expected::Any;
    let asked = |by| Asked { by, at: NOW, expected: &expected, rules: &rules, request: ApprovalId([1; 10]) };
    case.pending = Some(case.request(ApprovalKind::Creation, None, asked(&owner)));
    let decide =
        |act| case.decide(act, asked(&approver)).map(|changed| changed.approval.expect("decided").reason);
    let rule = |why| Err(Objection::Rule(why));
    assert_eq!(decide(Act::Reject(" ".to_owned())), rule(Unacceptable::NoReason));
    assert_eq!(decide(Act::Reject("\u{1b}".to_owned())), rule(Unacceptable::Reason));
    assert_eq!(decide(Act::Approve("ä".repeat(1025))), rule(Unacceptable::Reason));
    assert_eq!(decide(Act::Approve(String::new())), Ok(String::new()));
    assert_eq!(decide(Act::Reject("no".to_owned())), Ok("no".to_owned()));
}

#[test]
fn a_narrow_credential_does_not_reach_a_wider_key_and_a_manager_is_shown_no_secret_of_one() {
    use Capability::{AgentEnrol, KeyCreate, KeyDelete, KeyManage, KeyRead};
    let mut case =
        Case { key: record(), pending: None, capabilities: vec![AgentEnrol, KeyRead], owner: Vec::new() };
    case.owner = vec![AgentEnrol, KeyCreate, KeyRead];
    let (rules, expected) = (rules(false), Expected::Any);
    let missing = Some(Code::CapabilityMissing);
    for (who, kind, held, suspend, rotate) in [
        ("root", CredentialKind::ApiKey, &[AgentEnrol][..], missing, missing),
        ("root", CredentialKind::ApiKey, &[AgentEnrol, KeyCreate], missing, missing),
        ("root", CredentialKind::ApiKey, &[AgentEnrol, KeyRead], missing, missing),
        ("root", CredentialKind::ApiKey, &[AgentEnrol, KeyCreate, KeyRead], None, None),
        ("root", CredentialKind::Session, &[AgentEnrol, KeyRead], None, None),
        ("manager", CredentialKind::Session, &[KeyManage, KeyRead, KeyDelete], None, missing),
        ("manager", CredentialKind::Session, &[KeyManage, KeyRead, AgentEnrol], None, None),
        ("reader", CredentialKind::Session, &[KeyRead, AgentEnrol], missing, missing),
        ("eve", CredentialKind::Session, &[AgentEnrol], Some(Code::NotFound), Some(Code::NotFound)),
    ] {
        let by = Principal { user: user(who), kind, capabilities: held.to_vec(), ..principal(OWNER) };
        let asked =
            Asked { by: &by, at: NOW, expected: &expected, rules: &rules, request: ApprovalId([1; 10]) };
        let code = |act| case.decide(act, asked).err().map(|why| why.code());
        assert_eq!(
            (code(Act::Suspend), code(act(KeyEvent::Rotate, 0))),
            (suspend, rotate),
            "{who} {kind} {held:?}"
        );
    }
    case.owner = vec![AgentEnrol];
    let demoted = Principal { capabilities: vec![AgentEnrol, KeyCreate], ..principal(OWNER) };
    let asked =
        Asked { by: &demoted, at: NOW, expected: &expected, rules: &rules, request: ApprovalId([1; 10]) };
    assert!(case.decide(Act::Suspend, asked).is_ok(), "the key may no more than its owner by now");
}
