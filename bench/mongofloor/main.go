// Command mongofloor is what no script of single updates can be quicker than: the Go driver, alone. It takes a URL with a database, and how many.
package main

import (
	"context"
	"os"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

func main() {
	if err := run(context.Background(), os.Args[1], os.Args[2]); err != nil {
		panic(err)
	}
}

func run(ctx context.Context, url, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	client, err := mongo.Connect(ctx, options.Client().ApplyURI(url))
	if err != nil {
		return err
	}
	people := client.Database(url[strings.LastIndex(url, "/")+1:]).Collection("people")
	for i := range n {
		if _, err := people.UpdateOne(ctx, bson.D{{Key: "_id", Value: i}}, bson.D{{Key: "$set", Value: bson.D{{Key: "seen", Value: i}}}}); err != nil {
			return err
		}
	}
	return client.Disconnect(ctx)
}
