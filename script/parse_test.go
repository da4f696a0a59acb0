package script

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// seedParse is a class as Parse Server 9 leaves it, with pointers, permissions and an index.
func seedParse(t *testing.T, db *mongo.Database) {
	t.Helper()
	insert(t, db, "_SCHEMA", bson.D{{Key: "_id", Value: "Game"}, {Key: "objectId", Value: "string"}, {Key: "updatedAt", Value: "date"}, {Key: "createdAt", Value: "date"},
		{Key: "score", Value: "number"}, {Key: "owner", Value: "*_User"}, {Key: "fans", Value: "relation<_User>"}, {Key: "secret", Value: "string"},
		{Key: "_metadata", Value: bson.D{
			{Key: "class_permissions", Value: bson.D{
				{Key: "find", Value: bson.D{{Key: "*", Value: true}, {Key: "pointerFields", Value: bson.A{"owner"}}}},
				{Key: "protectedFields", Value: bson.D{{Key: "*", Value: bson.A{"secret", "score"}}, {Key: "userField:owner", Value: bson.A{}}}},
				{Key: "writeUserFields", Value: bson.A{"owner"}},
			}},
			{Key: "fields_options", Value: bson.D{{Key: "score", Value: bson.D{{Key: "required", Value: true}}}}},
			{Key: "indexes", Value: bson.D{{Key: "_id_", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "score_1", Value: bson.D{{Key: "score", Value: 1}}}}},
		}}})
	insert(t, db, "Game", bson.D{{Key: "_id", Value: "g1"}, {Key: "score", Value: 5}, {Key: "_p_owner", Value: "_User$u1"}, {Key: "secret", Value: "x"}},
		bson.D{{Key: "_id", Value: "g2"}, {Key: "score", Value: 7}}, bson.D{{Key: "_id", Value: "g3"}})
	insert(t, db, "_Join:fans:Game", bson.D{{Key: "_id", Value: "j1"}, {Key: "relatedId", Value: "u1"}, {Key: "owningId", Value: "g1"}})
	if _, err := db.Collection("Game").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "score", Value: 1}}, Options: options.Index().SetName("score_1")}); err != nil {
		t.Fatal(err)
	}
}

const gameChange = `{"parseSchema": {"class": "Game",
	"add": {"level": {"type": "Number", "required": true, "defaultValue": 1}, "since": {"type": "Date", "defaultValue": {"__type": "Date", "iso": "2024-01-02T03:04:05.000Z"}},
		"coach": {"type": "Pointer", "targetClass": "_User"}, "place": {"type": "GeoPoint"}},
	"rename": {"score": "points", "owner": "player", "fans": "followers"},
	"remove": ["secret"],
	"indexes": {"score_1": null, "points_1": {"points": -1}, "by_player": {"player": 1, "createdAt": -1}, "by_coach": {"coach": 1}}}}`

var gameAfter = []string{
	`{"_id":"g1","level":{"$numberInt":"1"},"since":{"$date":{"$numberLong":"1704164645000"}},"_p_player":"_User$u1","points":{"$numberInt":"5"}}`,
	`{"_id":"g2","level":{"$numberInt":"1"},"since":{"$date":{"$numberLong":"1704164645000"}},"points":{"$numberInt":"7"}}`,
	`{"_id":"g3","level":{"$numberInt":"1"},"since":{"$date":{"$numberLong":"1704164645000"}}}`,
}

const gameSchema = `{"_id":"Game","_metadata":{"class_permissions":{"find":{"*":true,"pointerFields":["player"]},"protectedFields":{"*":["points"],"userField:player":[]},"writeUserFields":["player"]},` +
	`"fields_options":{"level":{"required":true,"defaultValue":{"$numberInt":"1"}},"points":{"required":true},"since":{"defaultValue":{"__type":"Date","iso":"2024-01-02T03:04:05.000Z"}}},` +
	`"indexes":{"_id_":{"_id":{"$numberInt":"1"}},"by_coach":{"_p_coach":{"$numberInt":"1"}},"by_player":{"_p_player":{"$numberInt":"1"},"_created_at":{"$numberInt":"-1"}},"points_1":{"points":{"$numberInt":"-1"}}}},` +
	`"coach":"*_User","createdAt":"date","followers":"relation<_User>","level":"number","objectId":"string","place":"geopoint","player":"*_User","points":"number","since":"date","updatedAt":"date"}`

// TestParseSchema changes a class all at once, and again, and after having been stopped before each of its calls.
func TestParseSchema(t *testing.T) {
	check := func(t *testing.T, db *mongo.Database) {
		t.Helper()
		got := all(t, db, "Game")
		for i := range got {
			got[i] = sorted(t, got[i])
		}
		want := slices.Clone(gameAfter)
		for i := range want {
			want[i] = sorted(t, want[i])
		}
		if !slices.Equal(got, want) {
			t.Errorf("documents\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if got, want := sorted(t, all(t, db, "_SCHEMA")[0]), sorted(t, gameSchema); got != want {
			t.Errorf("schema\n%s\nwant\n%s", got, want)
		}
		if n := len(all(t, db, "_Join:followers:Game")); n != 1 {
			t.Errorf("%d documents in the renamed relation", n)
		}
		if n := len(all(t, db, "_Join:fans:Game")); n != 0 {
			t.Errorf("%d documents in the old relation", n)
		}
		if got := indexDump(t, db, "Game"); len(got) != 4 || !strings.HasPrefix(got[1], `by_coach {"_p_coach"`) || !strings.HasPrefix(got[3], `points_1 {"points": {"$numberInt":"-1"}}`) {
			t.Errorf("indexes %v", got)
		}
	}
	t.Run("at once", func(t *testing.T) {
		db := database(t)
		seedParse(t, db)
		for range 2 {
			if err := RunCommands(t.Context(), db, "0001_game.json", []byte(gameChange), Options{}); err != nil {
				t.Fatal(err)
			}
			check(t, db)
		}
	})
	t.Run("stopped anywhere", func(t *testing.T) {
		stopped := errors.New("stopped")
		for after := 0; ; after++ {
			db := database(t)
			seedParse(t, db)
			calls := 0
			o := Options{Before: callsUpTo(&calls, after, stopped)}
			err := RunCommands(t.Context(), db, "0001_game.json", []byte(gameChange), o)
			if err == nil {
				t.Logf("%d calls", calls)
				break
			}
			if !errors.Is(err, stopped) {
				t.Fatal(err)
			}
			if err := RunCommands(t.Context(), db, "0001_game.json", []byte(gameChange), Options{}); err != nil {
				t.Fatalf("again, after %d calls: %v", after, err)
			}
			check(t, db)
		}
	})
	t.Run("from a script", func(t *testing.T) {
		db := database(t)
		seedParse(t, db)
		mustRun(t, db, `
		const parse = require('schemagate').parse(db)
		await parse.removeIndex('Game', 'score_1')
		await parse.renameField('Game', 'score', 'points')
		await parse.renameField('Game', 'owner', 'player')
		await parse.renameField('Game', 'fans', 'followers')
		await parse.removeField('Game', 'secret')
		const r = await parse.addField('Game', 'level', {type: 'Number', required: true, defaultValue: 1})
		if (r.modifiedCount !== 3) throw new Error('changed ' + r.modifiedCount)
		await parse.change('Game', {add: {since: {type: 'Date', defaultValue: new Date('2024-01-02T03:04:05Z')}}})
		await parse.addField('Game', 'coach', {type: 'Pointer', targetClass: '_User'})
		await parse.addField('Game', 'place', 'GeoPoint')
		await parse.addIndex('Game', 'points_1', {points: -1})
		await parse.addIndex('Game', 'by_player', {player: 1, createdAt: -1})
		await parse.addIndex('Game', 'by_coach', {_p_coach: 1})`)
		check(t, db)
		mustRun(t, db, "await require('schemagate').parse(db).createClass('Fresh', {name: {type: 'String'}})")
		if got := sorted(t, all(t, db, "_SCHEMA")[0]); got != `{"_id":"Fresh","createdAt":"date","name":"string","objectId":"string","updatedAt":"date"}` {
			t.Errorf("got %s", got)
		}
	})
	t.Run("prefix", func(t *testing.T) {
		db := database(t)
		if err := RunCommands(t.Context(), db, "a.json", []byte(`{"parseSchema": {"class": "A", "prefix": "app_", "create": true, "add": {"x": {"type": "Array", "defaultValue": [1]}}}}`), Options{}); err != nil {
			t.Fatal(err)
		}
		if got := all(t, db, "app__SCHEMA"); len(got) != 1 || !strings.Contains(got[0], `"x":"array"`) {
			t.Errorf("got %v", got)
		}
	})
}

func TestParseRefusals(t *testing.T) {
	db := database(t)
	seedParse(t, db)
	insert(t, db, "Both", bson.D{{Key: "_id", Value: 1}, {Key: "old", Value: 1}, {Key: "new", Value: 1}})
	insert(t, db, "_SCHEMA", bson.D{{Key: "_id", Value: "Both"}, {Key: "old", Value: "number"}})
	before := all(t, db, "_SCHEMA")
	for _, c := range []struct{ change, want string }{
		{`{}`, `class: "" is no name for a class`},
		{`{"class": "Game"}`, "nothing to change"},
		{`{"class": "Game", "adds": {}}`, "adds: is not known here"},
		{`{"class": "Ga me", "remove": ["x"]}`, `"Ga me" is no name for a class`},
		{`{"class": "Other", "remove": ["x"]}`, `class Other: it is not in _SCHEMA: for a new class say "create": true`},
		{`{"class": "Game", "add": {"x": {"type": "Strng"}}}`, `add: x: "Strng" is no type of Parse`},
		{`{"class": "Game", "add": {"x": {"type": "Pointer"}}}`, "without targetClass"},
		{`{"class": "Game", "add": {"x": {"type": "String", "unique": true}}}`, "add: x: unique: is not known here"},
		{`{"class": "Game", "add": {"x": {"type": "String", "defaultValue": 5}}}`, "a defaultValue of int32 for type String"},
		{`{"class": "Game", "add": {"x": {"type": "Pointer", "targetClass": "A", "defaultValue": "y"}}}`, "set the documents' values in a script"},
		{`{"class": "Game", "add": {"score": {"type": "String"}}}`, "field score is number in _SCHEMA, not string"},
		{`{"class": "Game", "add": {"$x": {"type": "String"}}}`, `"$x" is no name for a field`},
		{`{"class": "Game", "remove": ["objectId"]}`, "the field objectId belongs to Parse Server"},
		{`{"class": "_User", "remove": ["password"]}`, "the field password belongs to Parse Server"},
		{`{"class": "Game", "rename": {"score": "secret"}}`, "cannot rename score to secret: the class has both"},
		{`{"class": "Game", "rename": {"nobody": "x"}}`, "cannot rename nobody: the class has no such field"},
		{`{"class": "Game", "rename": {"score": "x"}, "remove": ["score"]}`, "the field score is named twice"},
		{`{"class": "Game", "rename": {"score": "x"}}`, `index score_1 covers the field score: remove it in the same change, "indexes": {"score_1": null}`},
		{`{"class": "Game", "remove": ["score"]}`, "index score_1 covers the field score"},
		{`{"class": "Game", "indexes": {"score_1": {"secret": 1}}}`, "index score_1 is there with other keys"},
		{`{"class": "Game", "indexes": {"x": {"nobody": 1}}}`, "index x: the class has no field nobody"},
		{`{"class": "Game", "indexes": {"x": 5}}`, "indexes: x: expected keys"},
		{`{"class": "Both", "rename": {"old": "new"}}`, "1 documents hold both old and new"},
		{`{"class": "Game", "create": "yes"}`, "create: expected true or false"},
		{`{"class": "Game", "remove": "score"}`, `remove: expected an array of names`},
		{`{"class": "Game", "rename": ["a"]}`, "rename: expected a document"},
	} {
		err := RunCommands(t.Context(), db, "a.json", []byte(`{"parseSchema": `+c.change+`}`), Options{})
		if err == nil || !strings.HasPrefix(err.Error(), "a.json:1: command 1") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.change, err, c.want)
		}
	}
	if after := all(t, db, "_SCHEMA"); !slices.Equal(before, after) {
		t.Errorf("a refused change was written:\n%s\nbefore\n%s", after, before)
	}
	err := RunCommands(t.Context(), db, "a.json", []byte(`{"parseSchema": {"class": "Game", "remove": ["x"]}, "x": 1}`), Options{})
	if err == nil || !strings.Contains(err.Error(), "nothing beside it") {
		t.Errorf("got %v", err)
	}
	err = up(t, "\n await require('schemagate').parse(db).renameField('Game', 'nobody', 'x')").Run(t.Context(), "up", db, Options{})
	if err == nil || !strings.HasPrefix(err.Error(), "migrations/0001_test.js:3:") || !strings.Contains(err.Error(), "class Game: cannot rename nobody") {
		t.Errorf("got %v", err)
	}
}

func TestParseDefaults(t *testing.T) {
	when := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		kind string
		v    any
		ok   bool
	}{
		{"String", "x", true}, {"Number", 1.5, true}, {"Number", int64(5), true}, {"Boolean", false, true}, {"Array", bson.A{}, true}, {"Object", bson.D{{Key: "a", Value: 1}}, true},
		{"Date", primitive.NewDateTimeFromTime(when), true}, {"Date", "2024-01-02", false}, {"Boolean", "true", false}, {"Array", bson.D{}, false}, {"GeoPoint", bson.D{}, false},
	} {
		f := parseField{name: "x", kind: c.kind}
		if err := f.setDefault(c.v); (err == nil) != c.ok {
			t.Errorf("%v for %s: %v", c.v, c.kind, err)
		}
	}
}
