package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/schemagate/schemagate/database"
)

// needSQL answers needs of the form {kind, name, place}: the name is what the statement says, empty for the schema that it would create
// in. What does not exist (yet) needs nothing, since an earlier statement of ours makes it. Names are matched by the catalogue, not by
// to_regclass, which fails where a schema may not be looked into.
const needSQL = `
with asked as (
  select kind, name, place, case when name = '' then '{}' else parse_ident(name) end as parts
  from json_to_recordset($1::json) as x(kind text, name text, place text)
), target as (
  select asked.*, case when kind in ('create', 'usage') then coalesce(parts[1], $2, current_schema()) when cardinality(parts) > 1 then parts[1] end as s, parts[cardinality(parts)] as n from asked
), schemas as (
  select t.*, ns.oid as nsoid from target t left join pg_namespace ns on ns.nspname = t.s
), relations as (
  select t.*, c.oid, c.relowner, (select nspowner from pg_namespace where oid = c.relnamespace) as nspowner, c.oid::regclass::text as shown from schemas t join pg_class c on c.relname = t.n and (c.relnamespace = t.nsoid or t.s is null and pg_table_is_visible(c.oid))
  where kind in ('owner', 'drop', 'insert', 'update', 'delete', 'truncate', 'trigger', 'select')
)
select json_build_object('What', w, 'Grant', g)::text from (
  select min(place) as p, format('create in schema %I (%s)', s, min(place)) as w, format('GRANT CREATE ON SCHEMA %I TO %I', s, current_user) as g
    from schemas where kind = 'create' and nsoid is not null and not has_schema_privilege(nsoid, 'create') group by s
  union all
  select min(place), format('look into schema %I (%s)', s, min(place)), format('GRANT USAGE ON SCHEMA %I TO %I', s, current_user)
    from schemas where nsoid is not null and not has_schema_privilege(nsoid, 'usage') group by s
  union all
  select min(place), format('create a schema in the database (%s)', min(place)), format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user)
    from target where kind = 'database' and not has_database_privilege(current_database(), 'create') having count(*) > 0
  union all
  select min(place), format('change %s, which %I owns (%s)', shown, relowner::regrole, min(place)), case when (select rolsuper from pg_roles where oid = relowner)
      then format('ALTER TABLE %s OWNER TO %I', coalesce((select indrelid from pg_index where indexrelid = min(r.oid)), min(r.oid))::regclass, current_user) else format('GRANT %s TO %I', relowner::regrole, current_user) end
    from relations r where kind in ('owner', 'drop') and not pg_has_role(relowner, 'usage') and (kind = 'owner' or not pg_has_role(nspowner, 'usage')) group by shown, relowner
  union all
  select min(place), format('%s %s (%s)', kind, shown, min(place)), format('GRANT %s ON %s TO %I', upper(kind), shown, current_user)
    from relations where kind in ('delete', 'truncate', 'trigger') and not has_table_privilege(oid, kind) or kind in ('insert', 'update', 'select') and not has_any_column_privilege(oid, kind)
    group by kind, shown
  union all
  select min(place), format('create extension %s (%s)', n, min(place)), case when bool_or(v.trusted) then format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user)
      else format('a superuser has to run CREATE EXTENSION %I', n) end
    from target join pg_available_extensions e on e.name = n left join pg_available_extension_versions v on v.name = n and v.version = e.default_version
    where kind = 'extension' and e.installed_version is null and not (select rolsuper from pg_roles where rolname = current_user)
      and not (coalesce(v.trusted, false) and has_database_privilege(current_database(), 'create')) group by n
) x order by p, g
`

// ownSQL looks at our own tables: whether they are all there, and what the role may not do with those that are.
const ownSQL = `
with mine(name, privileges) as (values ('fence', 'SELECT,INSERT,UPDATE'), ('history', 'SELECT,INSERT'), ('lease', 'SELECT,INSERT,UPDATE'), ('replicas', 'SELECT,INSERT,UPDATE,DELETE'), ('backfill', 'SELECT,INSERT,UPDATE,DELETE')
), found as (
  select mine.*, c.oid from mine left join pg_class c on c.relname = 'schemagate_' || name and c.relnamespace = (select oid from pg_namespace where nspname = $1)
)
select json_build_object('What', w, 'Grant', g, 'Advice', a)::text from (
  select 'make the schema ' || $1 as w, format('GRANT CREATE ON DATABASE %I TO %I', current_database(), current_user) as g, false as a
    where not exists (select from pg_namespace where nspname = $1) and not has_database_privilege(current_database(), 'create')
  union all
  select 'keep schemagate''s own tables in schema ' || $1, format('GRANT %s ON SCHEMA %I TO %I', concat_ws(', ', case when not has_schema_privilege(oid, 'usage') then 'USAGE' end,
      case when missing and not has_schema_privilege(oid, 'create') then 'CREATE' end), $1, current_user), false
    from pg_namespace, (select bool_or(found.oid is null and name <> 'backfill') as missing from found) m
    where nspname = $1 and (not has_schema_privilege(oid, 'usage') or missing and not has_schema_privilege(oid, 'create'))
  union all
  select 'use schemagate''s own tables', format('GRANT %s ON %I.schemagate_%s TO %I', string_agg(p, ', '), $1, name, current_user), false
    from found, unnest(string_to_array(privileges, ',')) p where oid is not null and not has_table_privilege(oid, p) group by name
  union all
  select format('end the sessions of a leader that another role (%s) was', string_agg(distinct usename, ', ')), format('GRANT pg_signal_backend TO %I', current_user), true
    from pg_stat_activity where datname = current_database() and starts_with(application_name, $2 || '/') and usesysid is not null
      and not pg_has_role(usesysid, 'usage') and not pg_has_role('pg_signal_backend', 'usage') having count(*) > 0
) x order by g
`

// need is something that a statement asks of the role.
type need struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Place string `json:"place"`
}

// Preflight reads the heads of the statements, and asks the catalogue.
func (d *DB) Preflight(ctx context.Context, changes []database.Change) (missing []database.Missing, err error) {
	if _, err := d.control(ctx); err != nil {
		return nil, err
	}
	schema := d.schema
	if schema == "" {
		rows, err := d.query(ctx, "select coalesce((select nspname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where relname = 'schemagate_fence' and "+
			"nspname = any (pg_catalog.current_schemas(false)) limit 1), pg_catalog.current_schema(), '')")
		if err != nil {
			return nil, err
		}
		schema = string(rows[0])
	}
	if schema != "" { // else Prepare says what to do
		rows, err := d.query(ctx, ownSQL, schema, d.tag)
		if err != nil {
			return nil, err
		}
		if missing, err = told(missing, rows); err != nil {
			return nil, err
		}
	}
	needs := []need{}
	for _, c := range changes {
		more, goOn := needsOf(c)
		needs = append(needs, more...)
		if !goOn {
			break
		}
	}
	list, err := json.Marshal(needs)
	if err != nil {
		return nil, err
	}
	rows, err := d.query(ctx, strings.Replace(needSQL, "$2, ", "", 1), string(list))
	if err != nil {
		return nil, err
	}
	return told(missing, rows)
}

// told adds what the rows say, each grant once.
func told(missing []database.Missing, rows [][]byte) ([]database.Missing, error) {
	for _, row := range rows {
		var m database.Missing
		if err := json.Unmarshal(row, &m); err != nil {
			return nil, fmt.Errorf("read the privileges: %w", err)
		}
		known := false
		for _, o := range missing {
			known = known || o.Grant == m.Grant
		}
		if !known {
			missing = append(missing, m)
		}
	}
	return missing, nil
}

// needsOf reads the heads of a change's statements, up to one behind which its names mean something else. Behind one that gives
// rights there is no going on.
func needsOf(c database.Change) (out []need, goOn bool) {
	temporary := map[string]bool{}
	for _, st := range c.Statements[min(c.From, len(c.Statements)):] {
		w := newWords(st.SQL)
		first := strings.ToLower(w.next())
		if first == "set" || first == "reset" {
			w.take("session")
			w.take("local")
			switch strings.ToLower(w.next()) {
			case "role", "authorization", "search_path", "schema":
				return out, true
			}
			continue
		}
		if first == "grant" || first == "reassign" {
			return out, false
		}
		if name := temporaryTable(st.SQL); name != "" {
			temporary[strings.ToLower(name)] = true
		}
		for _, n := range needOf(first, w) {
			n.Place = fmt.Sprintf("%s:%d", c.File, st.Line)
			if !temporary[strings.ToLower(n.Name)] {
				out = append(out, n)
			}
		}
	}
	return out, true
}

// temporaryTable is the name that CREATE TEMPORARY TABLE puts before any other of that name.
func temporaryTable(sql string) string {
	w := newWords(sql)
	if !w.take("create") {
		return ""
	}
	_ = w.take("global") || w.take("local")
	if !w.take("temp") && !w.take("temporary") || !w.take("table") && !w.take("view") && !w.take("sequence") {
		return ""
	}
	if w.take("if") {
		w.take("not")
		w.take("exists")
	}
	return w.name()
}

func needOf(first string, w *words) []need {
	switch first {
	case "create":
		return needOfCreate(w)
	case "alter", "drop":
		return needOfChange(first, w)
	case "insert":
		w.take("into")
		return on("insert", w)
	case "copy":
		return copied(w)
	case "update":
		w.take("only")
		return on("update", w)
	case "delete":
		w.take("from")
		w.take("only")
		return on("delete", w)
	case "truncate":
		w.take("table")
		w.take("only")
		return on("truncate", w)
	}
	return nil
}

// copied needs INSERT for COPY ... FROM only.
func copied(w *words) []need {
	n := on("insert", w)
	if w.take("(") {
		for !w.take(")") && w.rest != "" {
			w.next()
		}
	}
	if !w.take("from") {
		return nil
	}
	return n
}

// on takes a relation's name, of at most two parts.
func on(kind string, w *words) []need {
	name := w.name()
	if name == "" || !wordByte(name[0]) && name[0] != '"' || '0' <= name[0] && name[0] <= '9' || strings.Count(name, ".") > 1 {
		return nil
	}
	return []need{{Kind: kind, Name: name}}
}

func needOfCreate(w *words) []need {
	if w.take("or") {
		w.take("replace")
	}
	for _, word := range []string{"global", "local", "unlogged", "unique", "recursive", "materialized", "foreign", "constraint"} {
		if w.take(word) && word == "foreign" && !strings.HasPrefix(strings.ToLower(w.rest), " table") {
			return nil
		}
	}
	if w.take("temp") || w.take("temporary") {
		return nil
	}
	kind := strings.ToLower(w.next())
	w.take("concurrently")
	if w.take("if") {
		w.take("not")
		w.take("exists")
	}
	switch kind {
	case "table", "view", "sequence", "function", "procedure", "type", "domain", "aggregate", "collation", "statistics":
		if n := on("create", w); n != nil {
			schema, _, _ := cutLast(n[0].Name)
			return []need{{Kind: "create", Name: schema}}
		}
	case "schema":
		return []need{{Kind: "database"}}
	case "extension":
		return on("extension", w)
	case "index", "trigger", "policy", "rule":
		for w.rest != "" && !w.take("on") {
			w.next()
		}
		w.take("only")
		if kind == "trigger" {
			return on("trigger", w)
		}
		return on("owner", w)
	}
	return nil
}

func needOfChange(first string, w *words) []need {
	if w.take("materialized") || w.take("foreign") {
		if !w.take("view") && !w.take("table") {
			return nil
		}
	} else {
		switch strings.ToLower(w.next()) {
		case "table", "view", "sequence", "index":
		default:
			return nil
		}
	}
	w.take("concurrently")
	if w.take("if") {
		w.take("exists")
	}
	w.take("only")
	kind := map[string]string{"alter": "owner", "drop": "drop"}[first]
	out := on(kind, w)
	for first == "drop" && w.take(",") {
		out = append(out, on(kind, w)...)
	}
	return out
}

var _ database.Preflighter = (*DB)(nil)
