-- From now on records may go, from the front, as far as audit_cut says.
DROP TRIGGER audit_is_not_shortened;

CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
WHEN OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_cut)
BEGIN SELECT RAISE(ABORT, 'the audit is append only'); END;

-- Keys of schema 1 keep their groups. Only files have any: there were no servers then.
INSERT INTO api_key_team (team, api_key)
    SELECT DISTINCT named.value, api_key.id FROM api_key, json_each(api_key.groups) AS named;
