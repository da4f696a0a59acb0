package chaos

// witness has the database itself note what is written to the history under another term than the fence's, in the same transaction.
const witness = `CREATE TABLE stale (what text);
CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO public.stale SELECT format('%s %s by term %s, the fence being at %s', NEW.kind, NEW.version, NEW.term, f.term)
    FROM public.schemagate_fence f WHERE f.service = NEW.service AND (f.term, f.holder) <> (NEW.term, NEW.holder);
  RETURN NEW;
END $$;
CREATE FUNCTION post_witness() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF to_regclass('public.schemagate_history') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'witness') THEN
    CREATE TRIGGER witness BEFORE INSERT ON public.schemagate_history FOR EACH ROW EXECUTE FUNCTION public.witness();
  END IF;
END $$;
CREATE EVENT TRIGGER post_witness ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION post_witness()`

// finish waits for those that are left, and checks what they did.
func (w *world) finish() {
	t := w.t
	t.Helper()
	for _, n := range w.nodes {
		if !n.killed {
			n.Exits(0)
		}
	}
	w.checked.Wait()
	for _, p := range w.problems {
		t.Error(p)
	}
	for what, q := range map[string]struct{ sql, want string }{
		"written under another term than the fence's": {"SELECT coalesce(string_agg(what, '; '), '') FROM stale", ""},
		"effects":             {"SELECT string_agg(version, ' ' ORDER BY version) FROM effects", "0001 0002 0003 0004 0005 0006"},
		"applied":             {"SELECT string_agg(version, ' ' ORDER BY id) FROM schemagate_history WHERE kind = 'applied'", "0001 0002 0003 0004 0005 0006"},
		"failed":              {"SELECT count(*) FROM schemagate_history WHERE kind = 'failed'", "0"},
		"complete at the end": {"SELECT kind FROM schemagate_history ORDER BY id DESC LIMIT 1", "complete"},
		"events of a lower term after a higher one's": {
			"SELECT count(*) FROM schemagate_history a JOIN schemagate_history b ON b.id > a.id AND b.term < a.term", "0"},
		"terms with two holders": {
			"SELECT count(*) FROM (SELECT term FROM schemagate_history GROUP BY term HAVING count(DISTINCT holder) > 1) x", "0"},
		"the fence is at the last term": {
			"SELECT term >= (SELECT max(term) FROM schemagate_history) FROM schemagate_fence", "t"},
		"indexes": {"SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY indexrelid::regclass::text) " +
			"FROM pg_index WHERE indrelid = 'items'::regclass AND NOT indisprimary", "items_0003 true, items_0005 true"},
	} {
		if got := w.stage.Psql(q.sql); got != q.want {
			if w.found == nil {
				t.Errorf("%s: %q, want %q", what, got, q.want)
			} else {
				w.found(what + ": " + got)
			}
		}
	}
	if t.Failed() {
		t.Logf("the history:\n%s", w.stage.Psql("SELECT id, kind, version, name, term, replica, done, trying, error FROM schemagate_history ORDER BY id"))
	}
}
