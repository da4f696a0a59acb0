// Pins the Consul server that the tests run. It is built in a copy of this folder, so that its several
// hundred indirect requirements stay out of the tree: see ../setup/build.sh.
//
// Newer versions require modules that the module proxy does not have.
module github.com/schemagate/schemagate/test/consul

go 1.26.7

require github.com/hashicorp/consul v1.19.2
