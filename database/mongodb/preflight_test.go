package mongodb

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// No server that these tests can have tells privileges: the answers are written down from MongoDB's documentation.
func TestPrivilegesAsMongoDBTellsThem(t *testing.T) {
	const all = `"find", "insert", "update", "remove", "createCollection", "createIndex", "listIndexes"`
	for name, c := range map[string]struct{ privileges, want string }{
		"readWrite":            {`{"resource": {"db": "shop", "collection": ""}, "actions": [` + all + `]}`, ""},
		"on any database":      {`{"resource": {"db": "", "collection": ""}, "actions": [` + all + `]}`, ""},
		"root":                 {`{"resource": {"anyResource": true}, "actions": [` + all + `]}`, ""},
		"two roles":            {`{"resource": {"db": "shop", "collection": ""}, "actions": ["find"]}, {"resource": {"db": "shop", "collection": ""}, "actions": [` + all + `]}`, ""},
		"read":                 {`{"resource": {"db": "shop", "collection": ""}, "actions": ["find"]}`, "insert, update, remove, createCollection, createIndex"},
		"another database":     {`{"resource": {"db": "other", "collection": ""}, "actions": [` + all + `]}`, "find, insert"},
		"one collection":       {`{"resource": {"db": "shop", "collection": "a"}, "actions": [` + all + `]}`, "find, insert"},
		"the cluster":          {`{"resource": {"cluster": true}, "actions": [` + all + `]}`, "find, insert"},
		"nothing that is told": {``, ""},
	} {
		var s connectionStatus
		reply := `{"authInfo": {"authenticatedUsers": [{"user": "deploy", "db": "admin"}], "authenticatedUserPrivileges": [` + c.privileges + `]}, "ok": 1}`
		if err := bson.UnmarshalExtJSON([]byte(reply), false, &s); err != nil {
			t.Fatal(err)
		}
		got := s.missing("shop")
		if c.want == "" {
			if len(got) > 0 {
				t.Errorf("%s: missing %v", name, got)
			}
			continue
		}
		if len(got) != 1 || !strings.Contains(got[0].What, c.want) || got[0].Grant != `db.getSiblingDB("admin").grantRolesToUser("deploy", [{ role: "readWrite", db: "shop" }])` {
			t.Errorf("%s: missing %v, want %q", name, got, c.want)
		}
	}
}
