//! What a notice says, as templates and webhooks see it: every name there is, every value harmless.

use gatepass_contract::address::MasterUrl;
use gatepass_contract::time::UnixTime;
use gatepass_contract::wire::path;
use minijinja::{Value, context};

use crate::domain::notice::{About, Facts};

/// A reason may be long; a mail about it need not be.
const LONGEST_VALUE: usize = 1000;

/// Where a notice sends people.
#[derive(Debug, Clone)]
pub(super) struct Links(pub(super) MasterUrl);

impl Links {
    /// Everything.
    fn home(&self) -> String {
        self.0.at("/").into()
    }

    /// What a notice is about.
    pub(super) fn of(&self, about: About) -> String {
        match about {
            About::ApiKey(id) => self.0.at(&path::API_KEY.replace("{id}", &id.to_string())).into(),
            About::Token(id) => self.0.at(&path::TOKEN.replace("{id}", &id.to_string())).into(),
            About::Nothing => self.home(),
        }
    }

    /// How one uses it.
    fn usage(&self, about: About) -> String {
        match about {
            About::ApiKey(_) | About::Token(_) => {
                format!("send it to {} in the header `Authorization: Bearer ...`", self.home())
            }
            About::Nothing => String::new(),
        }
    }
}

/// On one line, without control characters and without those that reorder or hide text.
pub(super) fn one_line(text: &str) -> String {
    let visible = |c: char| if c.is_control() || is_disguise(c) { ' ' } else { c };
    text.chars().take(LONGEST_VALUE).map(visible).collect::<String>().trim().to_owned()
}

/// Line and paragraph separators, directional overrides and isolates, what has no width (Unicode Technical Report 36).
const fn is_disguise(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

fn optional(text: Option<&str>) -> String {
    text.map(one_line).unwrap_or_default()
}

/// `2026-11-22 20:25 UTC`.
fn date(at: UnixTime) -> String {
    let text = at.to_string();
    text.split_once('T')
        .map_or_else(|| text.clone(), |(day, time)| format!("{day} {} UTC", time.get(..5).unwrap_or(time)))
}

fn expiry(facts: &Facts) -> String {
    match (facts.expires, facts.about) {
        (Some(at), _) => date(at),
        (None, About::Nothing) => String::new(),
        (None, About::ApiKey(_) | About::Token(_)) => "never".to_owned(),
    }
}

/// What templates may name. What is not known is empty, never absent: a name that is not here is a mistake, and is found
/// when the template is loaded. The names are listed for operators in `templates/README.md`.
pub(super) fn names(facts: &Facts, links: &Links) -> Value {
    let (id, name) = (facts.about.id(), one_line(&facts.name));
    let (owner, expires) = (optional(facts.owner.as_deref()), expiry(facts));
    let (url, home) = (links.of(facts.about), links.home());
    let word = facts.event.as_str();
    context! {
        event => word,
        severity => facts.event.severity().as_str(),
        date => date(facts.at),
        url => &url,
        home => &home,
        owner => &owner,
        reason => optional(facts.reason.as_deref()),
        decided => context! { by => optional(facts.decided_by.as_deref()) },
        key => context! { id => &id, name => &name, expires => &expires },
        token => context! { id => &id, name => &name, expires => &expires },
        request => context! { by => optional(facts.requester.as_deref()), date => facts.requested.map(date).unwrap_or_default(), kind => requested_kind(word) },
        entity => context! {
            kind => facts.about.kind(),
            id => &id,
            name => &name,
            BUIapprovalURL => &url,
            bui => context! { userpreferences => context! { url => &home } },
        },
        policycontext => context! { apikey => &id, consumer => context! { name => &owner } },
        apikey => context! { expirationdate => &expires },
        api => context! { usage => links.usage(facts.about) },
    }
}

/// Empty where nobody had to ask.
fn requested_kind(event: &str) -> &'static str {
    ["creation", "renewal", "rotation"].into_iter().find(|kind| event.contains(kind)).unwrap_or_default()
}
