// Package source opens the place that the migration files lie in: a folder, or a git repository.
//
// What it guarantees: the files of a git source are those of exactly one commit, which Info names; a host's key is checked
// against known_hosts, always; redirects and proxies never see the token in the clear; no error quotes a key, a token or a
// password; nothing is written to disk and no git program is run, so that an image without either will do.
//
// What it does not: it keeps no clone between runs; it does not follow a branch after it was opened; it knows neither
// submodules nor Git LFS, and says so instead of handing on a pointer. The commit's whole tree (without its history, unless the
// server can't serve a bare commit hash) passes through memory.
//
// On which clock: one attempt is bounded by Options.Timeout and by its context; waiting longer is the caller's, who tries again
// on ErrUnreachable.
package source
