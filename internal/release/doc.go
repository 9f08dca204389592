// Command release prepares and checks a release.
//
// With -out it writes every released module of this repository, as it is tagged, into a directory
// that the go command accepts as GOPROXY:
//
//	go -C internal/release run . -version v0.1.0 -out DIR
//
// In the repository the modules find each other by replace directives and require v0.0.0. In the
// tagged form the directives are removed and the version is required.
//
// With -gate it compares the exported API of each released module with the last tag. It fails on an
// incompatible change. It also fails when an Example or another external test of the tag does not
// compile against this code. These tests are compiled with the internal packages of the tag, which
// are no part of the API. Tests that use unexported names are left out.
//
//	go -C internal/release run . -gate
package main
