// Package secret finds the database URL in a secrets manager, and reads it out of whatever shape it is kept in there.
//
// What it guarantees: no error quotes a secret or any part of one; a user name or a password of any characters ends up in the
// URL correctly encoded; what may pass (no answer, throttling, a sealed Vault) is ErrUnreachable, what can't is not.
//
// What it does not: it keeps nothing and watches nothing; Refresher reads a secret a second time only when it is asked to, for
// a password that was rotated between reading it and using it. It does not log in to Vault: it takes a token.
//
// On which clock: one attempt is bounded by ten seconds and by its context; waiting longer is the caller's.
package secret
