package adopt

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/schemagate/schemagate/migrations"
)

// sqlxSum compares with SHA-384 over the file's bytes. Ours are read without the byte order mark and the carriage returns that
// it may have.
func sqlxSum(text, recorded string) bool {
	for _, t := range []string{text, strings.ReplaceAll(text, "\n", "\r\n")} {
		for _, bom := range []string{"", "\ufeff"} {
			if sum := sha512.Sum384([]byte(bom + t)); `\x`+hex.EncodeToString(sum[:]) == strings.ToLower(recorded) {
				return true
			}
		}
	}
	return false
}

// flywayCRC is CRC-32 over the lines without their ends.
func flywayCRC(text string) int32 {
	return int32(crc32.ChecksumIEEE([]byte(strings.ReplaceAll(text, "\n", ""))))
}

func flywaySum(text, recorded string) bool {
	return strconv.FormatInt(int64(flywayCRC(text)), 10) == recorded
}

// flywayKnows: the text is the file's own, in which no placeholder was expanded; its checksum is over the file.
func flywayKnows(m *migrations.Migration) bool {
	sum := sha256.Sum256([]byte(m.Up.Text))
	return hex.EncodeToString(sum[:]) == m.Checksum
}
