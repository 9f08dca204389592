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

	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
	"github.com/countersign/countersign/cmd/countersign/internal/flow"
)

const doctorUsage = `Usage: countersign doctor ISSUER [flags]
       countersign doctor -api URL [flags]

Reads what an issuer or an API publishes. Reports what would make a login or the check of a
token fail, what to set, and the configuration to paste. It changes nothing at the server.
With -client-id and -redirect-uri, a pushed authorization request tests the registration.

Exit status: 0 without problems, 1 with problems, 2 for wrong arguments.

Example:
  countersign doctor https://accounts.google.com
`

type doctorFlags struct {
	flow.Options
	api, secretEnv, profile, ca string
}

func runDoctor(ctx context.Context, args []string, std standard) int {
	var f doctorFlags
	set := flag.NewFlagSet("doctor", flag.ContinueOnError)
	set.SetOutput(std.err)
	f.define(set)
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

func (f *doctorFlags) define(set *flag.FlagSet) {
	defineCredentials(set, &f.Options, &f.secretEnv, &f.ca)
	set.StringVar(&f.api, "api", "", "examine the API at this `URL` instead of an issuer")
	set.StringVar(&f.ClientID, "client-id", "", "the client `ID` to test")
	set.StringVar(&f.RedirectURI, "redirect-uri", "", "the redirect `URI` to test")
	set.StringVar(&f.Auth, "auth", "", "the authentication `METHOD`, such as client_secret_post (default: by the credential)")
	set.StringVar(&f.KeyFile, "key", "", "a PEM `FILE` with the private key for private_key_jwt and -jar")
	set.StringVar(&f.CertFile, "cert", "", "a PEM `FILE` with the client certificate (mTLS)")
	set.StringVar(&f.AssertionAudience, "assertion-audience", "", "the aud `URL` of JWTs that -key signs (default: the issuer)")
	set.BoolVar(&f.JAR, "jar", false, "sign the pushed request with -key")
	set.StringVar(&f.profile, "profile", "", "compare with one `PROFILE` only, and print the configuration for it: "+profileNames())
	set.BoolVar(&f.JSON, "json", false, "print the report as JSON")
}

func (f *doctorFlags) options(issuer string) (o doctor.Options, err error) {
	if err := f.check(issuer); err != nil {
		return o, err
	}
	if f.Secret, err = fromEnv(f.secretEnv); err != nil {
		return o, err
	}
	o = doctor.Options{Issuer: issuer, ClientID: f.ClientID, RedirectURL: f.RedirectURI, Profile: profileFlag[f.profile], InsecureHTTP: f.InsecureHTTP, SignRequest: f.JAR}
	if o.Auth, o.SigningKeys, o.Certificate, err = f.Credentials(); err != nil {
		return o, err
	}
	o.RootCAs, err = readCAs(f.ca)
	return o, err
}

func (f *doctorFlags) check(issuer string) error {
	_, known := profileFlag[f.profile]
	switch {
	case (issuer == "") == (f.api == ""):
		return errors.New("pass an issuer, such as https://as.example, or -api URL")
	case !known:
		return unknownProfile(f.profile)
	case f.ClientID != "" && f.RedirectURI == "":
		return errors.New("-client-id requires -redirect-uri: pass the redirect URI that is registered for the client")
	case f.ClientID == "" && (f.RedirectURI != "" || f.secretEnv != "" || f.KeyFile != "" || f.CertFile != ""):
		return errors.New("-redirect-uri, -secret-env, -key and -cert require -client-id: pass the client to test")
	}
	return nil
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
	if f.JSON {
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
