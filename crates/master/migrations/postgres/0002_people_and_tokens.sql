-- From now on records may go, from the front, as far as audit_cut says.
CREATE FUNCTION refuse_shortening() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.seq > (SELECT coalesce(max(seq), 0) FROM audit_cut) THEN
        RAISE EXCEPTION 'the audit is append only';
    END IF;
    RETURN OLD;
END
$$;

DROP TRIGGER audit_is_not_changed ON audit;

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TRIGGER audit_is_not_shortened BEFORE DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION refuse_shortening();
