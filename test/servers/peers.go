package servers

// Peer returns the path of a migration tool that the tests compare with: migrate (golang-migrate), goose, gooselock, dbmate (with
// few of its drivers and commands) or tern. It is built at the first call, and kept.
func Peer(tb TB, name string) string {
	tb.Helper()
	path, err := binary(name)
	if err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return path
}
