-- From now on records may go, from the front, as far as audit_cut says.
DROP TRIGGER audit_is_not_shortened;

CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
WHEN OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_cut)
BEGIN SELECT RAISE(ABORT, 'the audit is append only'); END;
