package mongodb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/schemagate/schemagate/database"
)

// connectionStatus is what the server tells of who we are.
type connectionStatus struct {
	AuthInfo struct {
		Users []struct {
			User string `bson:"user"`
			DB   string `bson:"db"`
		} `bson:"authenticatedUsers"`
		Privileges []struct {
			Resource struct {
				DB         *string `bson:"db"`
				Collection *string `bson:"collection"`
				Any        bool    `bson:"anyResource"`
			} `bson:"resource"`
			Actions []string `bson:"actions"`
		} `bson:"authenticatedUserPrivileges"`
	} `bson:"authInfo"`
}

// needed is what our own collections ask for, and every script that writes; readWrite has it all.
var needed = []string{"find", "insert", "update", "remove", "createCollection", "createIndex"}

// Preflight asks the server for the user's privileges. A server without access control, or one that does not tell, leaves nothing to say;
// what a script does can't be seen beforehand.
func (d *DB) Preflight(ctx context.Context, _ []database.Change) ([]database.Missing, error) {
	db, err := d.database(ctx)
	if err != nil {
		return nil, err
	}
	var s connectionStatus
	if err := db.RunCommand(ctx, bson.D{{Key: "connectionStatus", Value: 1}, {Key: "showPrivileges", Value: true}}).Decode(&s); err != nil {
		return nil, nil // not every server knows the command; those that matter answer when it is tried
	}
	return s.missing(d.name), nil
}

func (s connectionStatus) missing(name string) []database.Missing {
	if len(s.AuthInfo.Users) == 0 || len(s.AuthInfo.Privileges) == 0 {
		return nil
	}
	lacks := slices.DeleteFunc(slices.Clone(needed), func(action string) bool {
		for _, p := range s.AuthInfo.Privileges {
			r := p.Resource
			everywhere := r.Any || r.DB != nil && (*r.DB == name || *r.DB == "") && r.Collection != nil && *r.Collection == ""
			if everywhere && slices.Contains(p.Actions, action) {
				return true
			}
		}
		return false
	})
	if len(lacks) == 0 {
		return nil
	}
	u := s.AuthInfo.Users[0]
	return []database.Missing{{
		Advice: true, // rights on single collections may do; the first insert, into ours, decides
		What:   fmt.Sprintf("keep schemagate's own collections in %s (%s)", name, strings.Join(lacks, ", ")),
		Grant:  fmt.Sprintf("db.getSiblingDB(%q).grantRolesToUser(%q, [{ role: \"readWrite\", db: %q }])", u.DB, u.User, name),
	}}
}

var _ database.Preflighter = (*DB)(nil)
