// Package config reads the settings: defaults, then the environment, then flags. Every problem is reported at once, and names
// its setting. A secret has no flag; each has a _FILE twin.
//
// Guaranteed: what Redactor knows as secret does not leave through a writer that it wraps. Not guaranteed: anything about a
// secret that a migration itself prints in another spelling.
package config
