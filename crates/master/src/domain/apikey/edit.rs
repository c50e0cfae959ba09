//! What can be changed about a key without making another one.

use gatepass_contract::wire::admin::EditApiKey;

use super::create::{self, Unacceptable};
use super::record::ApiKeyRecord;

impl ApiKeyRecord {
    /// The same with what the edit names changed. What it may do, as what, and for how long is not up to an edit.
    pub fn edited(&self, edit: EditApiKey) -> Result<Self, Unacceptable> {
        let mut after = self.clone();
        if let Some(name) = edit.name {
            after.key.name = create::name(name)?;
        }
        if let Some(text) = edit.description {
            after.key.description = create::description(text)?;
        }
        if let Some(networks) = edit.networks {
            after.key.networks = create::networks(networks)?;
        }
        if let Some(enabled) = edit.enabled {
            after.enabled = enabled;
        }
        if let Some(uses) = edit.uses {
            after.key.uses = self.new_uses(uses)?;
        }
        Ok(after)
    }

    fn new_uses(&self, uses: Option<u32>) -> Result<Option<u32>, Unacceptable> {
        match uses {
            Some(0) => Err(Unacceptable::NoUses),
            Some(uses) if uses < self.used => Err(Unacceptable::UsesBehind { used: self.used }),
            uses => Ok(uses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::apikey::sample::record;

    #[test]
    fn an_edit_changes_what_it_names_and_nothing_else() {
        let mut key = record();
        key.used = 3;
        assert_eq!(key.edited(EditApiKey::default()), Ok(key.clone()));
        let uses = |uses| key.edited(EditApiKey { uses: Some(uses), ..EditApiKey::default() });
        assert_eq!(uses(Some(0)), Err(Unacceptable::NoUses));
        assert_eq!(uses(Some(2)), Err(Unacceptable::UsesBehind { used: 3 }));
        assert_eq!(uses(Some(3)).expect("as many as there were").key.uses, Some(3));
        assert_eq!(uses(None).expect("any number").key.uses, None);
        let off = EditApiKey { enabled: Some(false), networks: Some(Vec::new()), ..EditApiKey::default() };
        let after = key.edited(off).expect("within the rules");
        assert!(!after.enabled && after.key.networks.is_empty());
        assert_eq!(after.key.name, key.key.name);
    }
}
