// Package sourcetest starts what a test of git sources needs: real repositories, a real sshd on loopback, git over HTTPS.
package sourcetest
