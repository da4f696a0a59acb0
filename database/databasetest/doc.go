// Package databasetest is the one suite that every database adapter passes against its real server: what package database
// promises, stated as cases. An adapter's test calls [Run] with a function that makes a fresh, empty database.
//
// A case that a database can't promise (database.Traits, or a nil hook in [Target]) is skipped, never weakened.
//
// Not covered: what belongs to one database alone (its URL, its errors' codes, what refuses a transaction), and anything that
// needs a process to be killed or a network to be cut; adapters and package test do that.
//
// Clock: none decides. Cases wait for states that they can ask for, and give up on one after a minute.
package databasetest
