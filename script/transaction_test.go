package script

import (
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo/integration/mtest"
)

// sent renders what the driver sent, without ids and times.
func sent(mt *mtest.T) []string {
	var out []string
	for e := mt.GetStartedEvent(); e != nil; e = mt.GetStartedEvent() {
		line := e.CommandName
		for _, k := range []string{"startTransaction", "autocommit", "txnNumber", "readConcern", "writeConcern"} {
			if v, err := e.Command.LookupErr(k); err == nil {
				line += fmt.Sprintf(" %s=%s", k, v)
			}
		}
		out = append(out, line)
	}
	return out
}

// TestTransactions shows what is sent, to a driver without a server: no server that speaks the protocol and can be had here has transactions.
func TestTransactions(t *testing.T) {
	ok := mtest.CreateSuccessResponse()
	transient := mtest.CreateCommandErrorResponse(mtest.CommandError{Code: 112, Name: "WriteConflict", Message: "again", Labels: []string{"TransientTransactionError"}})
	fatal := mtest.CreateCommandErrorResponse(mtest.CommandError{Code: 2, Name: "BadValue", Message: "no"})
	unknown := mtest.CreateCommandErrorResponse(mtest.CommandError{Code: 50, Name: "MaxTimeMSExpired", Message: "late", Labels: []string{"UnknownTransactionCommitResult"}})
	const (
		first  = `insert startTransaction=true autocommit=false txnNumber={"$numberLong":"%d"}`
		next   = `update autocommit=false txnNumber={"$numberLong":"%d"}`
		commit = `commitTransaction autocommit=false txnNumber={"$numberLong":"%d"} writeConcern={"w": "majority"}`
		abort  = `abortTransaction autocommit=false txnNumber={"$numberLong":"%d"} writeConcern={"w": "majority"}`
	)
	const work = "const c = db.collection('c')\n const s = client.startSession()\n"
	for _, c := range []struct {
		name, body string
		replies    []bson.D
		want       []string
		err        string
	}{
		{"withTransaction", work + "const v = await s.withTransaction(async t => {\n await c.insertOne({_id: 1}, {session: t})\n await c.updateOne({}, {$set: {a: 1}}, {session: t})\n return 5 })\n if (v !== 5) throw new Error('result')\n await s.endSession()",
			[]bson.D{ok, ok, ok}, []string{num(first, 1), num(next, 1), num(commit, 1)}, ""},
		{"by hand", work + "s.startTransaction({readConcern: {level: 'snapshot'}, writeConcern: {w: 'majority'}})\n if (!s.inTransaction()) throw new Error('not in')\n await c.insertOne({_id: 1}, {session: s})\n await s.commitTransaction()\n if (s.inTransaction()) throw new Error('still in')",
			[]bson.D{ok, ok}, []string{num(first, 1) + ` readConcern={"level": "snapshot"}`, num(commit, 1)}, ""},
		{"aborted", work + "s.startTransaction()\n await c.insertOne({_id: 1}, {session: s})\n await s.abortTransaction()", []bson.D{ok, ok}, []string{num(first, 1), num(abort, 1)}, ""},
		{"left open", work + "s.startTransaction()\n await c.insertOne({_id: 1}, {session: s})", []bson.D{ok, ok}, []string{num(first, 1), num(abort, 1)}, ""},
		{"failing inside", work + "await s.withTransaction(async () => {\n await c.insertOne({_id: 1}, {session: s}) })", []bson.D{fatal, ok}, []string{num(first, 1), num(abort, 1)}, "MongoServerError: no (code 2)"},
		{"thrown inside", work + "await s.withTransaction(async () => {\n await c.insertOne({_id: 1}, {session: s})\n throw new Error('changed my mind') })", []bson.D{ok, ok}, []string{num(first, 1), num(abort, 1)}, "changed my mind"},
		{"again after a conflict", work + "await s.withTransaction(async () => {\n await c.insertOne({_id: 1}, {session: s}) })", []bson.D{transient, ok, ok, ok},
			[]string{num(first, 1), num(abort, 1), num(first, 2), num(commit, 2)}, ""},
		{"conflict at commit", work + "await s.withTransaction(async () => {\n await c.insertOne({_id: 1}, {session: s}) })", []bson.D{ok, transient, ok, ok},
			[]string{num(first, 1), num(commit, 1), num(first, 2), num(commit, 2)}, ""},
		{"commit out of time", work + "await s.withTransaction(async () => {\n await c.insertOne({_id: 1}, {session: s}) })", []bson.D{ok, unknown}, []string{num(first, 1), num(commit, 1)}, "late (code 50)"},
		{"no promise", work + "await s.withTransaction(() => 5)", nil, nil, "must return a Promise"},
		{"commit without start", work + "await s.commitTransaction()", nil, nil, "MongoTransactionError: No transaction started"},
		{"twice", work + "s.startTransaction()\n s.startTransaction()", nil, nil, "Transaction already in progress"},
		{"unacknowledged", work + "s.startTransaction({writeConcern: {w: 0}})", nil, nil, "needs its writes acknowledged"},
		{"raw command", work + "await s.withTransaction(async () => {\n await db.command({insert: 'c', documents: [{_id: 1}]}, {session: s}) })", []bson.D{ok, ok}, []string{num(first, 1), num(commit, 1)}, ""},
		{"raw command outside", "await db.command({insert: 'c', documents: [{_id: 1}]})", []bson.D{ok}, []string{`insert writeConcern={"w": "majority"}`}, ""},
		{"find inside", work + "await s.withTransaction(async () => {\n await c.find({}, {session: s}).toArray() })", []bson.D{mtest.CreateCursorResponse(0, "test.c", mtest.FirstBatch), ok},
			[]string{strings.Replace(num(first, 1), "insert", "find", 1), num(commit, 1)}, ""},
	} {
		mt := mtest.New(t, mtest.NewOptions().ClientType(mtest.Mock))
		mt.Run(c.name, func(mt *mtest.T) {
			mt.AddMockResponses(c.replies...)
			db := mt.Client.Database("test", majority())
			err := up(t, c.body).Run(t.Context(), "up", db, Options{})
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				mt.Errorf("got error %v, want %q", err, c.err)
			}
			if got := sent(mt); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				mt.Errorf("sent\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func num(format string, n int) string { return fmt.Sprintf(format, n) }

// TestNotOnFerretDB shows what is sent for the operations that FerretDB refuses.
func TestNotOnFerretDB(t *testing.T) {
	ok := mtest.CreateSuccessResponse(bson.E{Key: "n", Value: 1}, bson.E{Key: "nModified", Value: 1})
	for _, c := range []struct{ name, body, want string }{
		{"pipeline", "await db.collection('c').updateMany({}, [{$set: {a: '$b'}}, {$unset: 'b'}])", `"updates": [{"q": {},"u": [{"$set": {"a": "$b"}},{"$unset": "b"}],"multi": true}]`},
		{"array filters", "await db.collection('c').updateOne({}, {$set: {'a.$[x].b': 1}}, {arrayFilters: [{'x.c': 2}]})", `"arrayFilters": [{"x.c": {"$numberInt":"2"}}]`},
		{"options", "await db.collection('c').updateOne({}, {$set: {a: 1}}, {upsert: true, hint: 'a_1', comment: {why: 'x'}, let: {v: 1}, collation: {locale: 'de', strength: 2, caseLevel: true}})",
			`"updates": [{"q": {},"u": {"$set": {"a": {"$numberInt":"1"}}},"collation": {"locale": "de","caseLevel": true,"strength": {"$numberInt":"2"}},"upsert": true,"hint": "a_1"}]`},
		{"decimal", "await db.collection('c').updateOne({}, {$set: {a: require('mongodb').Decimal128.fromString('1.10')}})", `{"a": {"$numberDecimal":"1.10"}}`},
		{"collMod", "await db.command({collMod: 'c', validator: {$jsonSchema: {bsonType: 'object', required: ['a']}}, validationLevel: 'moderate'})",
			`"collMod": "c","validator": {"$jsonSchema": {"bsonType": "object","required": ["a"]}},"validationLevel": "moderate","writeConcern": {"w": "majority"}`},
		{"validator", "await db.createCollection('c', {validator: {a: {$exists: true}}, session: undefined, writeConcern: {w: 1}})", `"create": "c","validator": {"a": {"$exists": true}},"writeConcern": {"w": "majority"}`},
		{"ttl index", "await db.collection('c').createIndex({at: 1}, {expireAfterSeconds: 60, partialFilterExpression: {a: {$gt: 1}}, commitQuorum: 'majority', nonsense: 1})",
			`"createIndexes": "c","indexes": [{"expireAfterSeconds": {"$numberInt":"60"},"partialFilterExpression": {"a": {"$gt": {"$numberInt":"1"}}},"name": "at_1","key": {"at": {"$numberInt":"1"}}}],"commitQuorum": "majority"`},
		{"find", "await db.collection('c').find({a: 1}, {sort: [['b', -1], ['a', 1]], projection: {b: 1}, hint: {b: 1}, limit: 3, skip: 2, min: {b: 1}, max: {b: 9}, allowDiskUse: true, noCursorTimeout: true, collation: {locale: 'fr'}, comment: 'c', let: {x: 1}}).toArray()",
			`"sort": {"b": {"$numberInt":"-1"},"a": {"$numberInt":"1"}}`},
		{"aggregate", "await db.collection('c').aggregate([{$lookup: {from: 'd', as: 'x'}}, {$merge: 'e'}], {allowDiskUse: true, let: {a: 1}, hint: 'x'}).toArray()", `"pipeline": [{"$lookup": {"from": "d","as": "x"}},{"$merge": "e"}]`},
		{"replace", "await db.collection('c').findOneAndReplace({a: 1}, {b: 1}, {upsert: true, returnDocument: 'after', sort: {c: -1}, projection: {b: 1}})", `"update": {"b": {"$numberInt":"1"}}`},
		{"metadata", "await db.collection('c').findOneAndUpdate({a: 1}, [{$set: {b: 1}}], {includeResultMetadata: true, sort: {c: -1}})", `"query": {"a": {"$numberInt":"1"}},"sort": {"c": {"$numberInt":"-1"}},"update": [{"$set": {"b": {"$numberInt":"1"}}}]`},
		{"rename", "await db.collection('c').rename('d', {dropTarget: true})", `"renameCollection": "test.c","to": "test.d","dropTarget": true,"writeConcern": {"w": "majority"}`},
	} {
		mt := mtest.New(t, mtest.NewOptions().ClientType(mtest.Mock))
		mt.Run(c.name, func(mt *mtest.T) {
			reply := ok
			if c.name == "find" || c.name == "aggregate" {
				reply = mtest.CreateCursorResponse(0, "test.c", mtest.FirstBatch)
			}
			mt.AddMockResponses(reply)
			if err := up(t, c.body).Run(t.Context(), "up", mt.Client.Database("test", majority()), Options{}); err != nil {
				mt.Fatal(err)
			}
			e := mt.GetStartedEvent()
			if e == nil || !strings.Contains(e.Command.String(), c.want) {
				mt.Errorf("sent\n%v\nwhich lacks\n%s", e.Command, c.want)
			}
		})
	}
}
