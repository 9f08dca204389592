package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
)

const doctorUsage = `Usage: countersign doctor ISSUER [flags]
       countersign doctor -api URL [flags]

Reads what an issuer or an API publishes, and reports what would stop a login or the check
of a token, what to set, and the configuration to paste. It changes nothing at the server.
With -client-id and -redirect-uri, a pushed authorization request tests the registration.

Exit status: 0 without problems, 1 with problems, 2 for wrong arguments.

Example:
  countersign doctor https://accounts.google.com
`

type doctorFlags struct {
	api, clientID, redirectURI, secretEnv, profile, ca string
	json, insecureHTTP                                 bool
}

func runDoctor(ctx context.Context, args []string, std standard) int {
	var f doctorFlags
	set := flag.NewFlagSet("doctor", flag.ContinueOnError)
	set.SetOutput(std.err)
	set.StringVar(&f.api, "api", "", "examine the API at this `URL` instead of an issuer")
	set.StringVar(&f.clientID, "client-id", "", "the client `ID` to test")
	set.StringVar(&f.redirectURI, "redirect-uri", "", "the redirect `URI` to test")
	set.StringVar(&f.secretEnv, "secret-env", "", "the `NAME` of the environment variable with the client secret")
	set.StringVar(&f.profile, "profile", "", "compare with one `PROFILE` only: "+profileNames())
	set.StringVar(&f.ca, "ca", "", "a `FILE` of PEM certificates to trust instead of the system's")
	set.BoolVar(&f.json, "json", false, "print the report as JSON")
	set.BoolVar(&f.insecureHTTP, "insecure-http", false, "accept http on any host, for development")
	set.Usage = func() { fmt.Fprint(set.Output(), doctorUsage, "\nFlags:\n"); set.PrintDefaults() }
	issuer, status := parse(set, args, std)
	if status >= 0 {
		return status
	}
	options, err := f.options(issuer)
	if err != nil {
		fmt.Fprintln(std.err, "countersign doctor:", err)
		return 2
	}
	return f.examine(ctx, options, std)
}

func (f *doctorFlags) options(issuer string) (doctor.Options, error) {
	profile, known := profileFlag[f.profile]
	switch {
	case (issuer == "") == (f.api == ""):
		return doctor.Options{}, errors.New("give an issuer, or -api URL")
	case !known:
		return doctor.Options{}, unknownProfile(f.profile)
	case (f.clientID == "") != (f.redirectURI == ""):
		return doctor.Options{}, errors.New("-client-id and -redirect-uri belong together")
	}
	o := doctor.Options{Issuer: issuer, ClientID: f.clientID, RedirectURL: f.redirectURI, Profile: profile, InsecureHTTP: f.insecureHTTP}
	secret, err := fromEnv(f.secretEnv)
	if err != nil {
		return o, err
	}
	if secret != "" {
		o.Auth = auth.Secret(secret)
	}
	o.RootCAs, err = readCAs(f.ca)
	return o, err
}

func readCAs(name string) (*x509.CertPool, error) {
	if name == "" {
		return nil, nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no PEM certificate", name)
	}
	return pool, nil
}

func (f *doctorFlags) examine(ctx context.Context, o doctor.Options, std standard) int {
	var report *doctor.Report
	if f.api != "" {
		report = doctor.ExamineAPI(ctx, strings.TrimSpace(f.api), o)
	} else {
		report = doctor.Examine(ctx, o)
	}
	if f.json {
		e := json.NewEncoder(std.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		_ = e.Encode(report)
	} else {
		report.Print(std.out)
	}
	if report.Problems() > 0 {
		return 1
	}
	return 0
}
