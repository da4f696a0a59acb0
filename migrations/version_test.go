package migrations

import "testing"

func TestCompareVersions(t *testing.T) {
	// In order; versions on one line are the same version.
	order := [][]string{
		{"0", "000", "0.0"}, {"0.1", "0.1.0"}, {"1", "0001", "1.0", "1.0.0"}, {"1.2", "1.02"}, {"1.10"}, {"2"}, {"10"},
		{"20240101120000"}, {"9999999999999999999999"}, {"10000000000000000000000", "010000000000000000000000"},
		{""}, {"."}, {".1"}, {"1."}, {"1..2"}, {"1a"}, {"R__10_b"}, {"R__2_a"}, {"a"}, {"é"},
	}
	for i, as := range order {
		for j, bs := range order {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			for _, a := range as {
				for _, b := range bs {
					if got := CompareVersions(a, b); got != want {
						t.Errorf("CompareVersions(%q, %q) = %d, want %d", a, b, got, want)
					}
				}
			}
		}
	}
}
