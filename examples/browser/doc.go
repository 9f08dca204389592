// Package browser tests the login in a real browser: Chromium, driven over DevTools, at
// an application and a server on two sites with TLS. make browser runs it; without
// COUNTERSIGN_BROWSER, the path of a Chromium, the tests are skipped.
//
// Every page is taken at 360 and at 1280 pixels, light and dark; the pictures are in .cache/browser.
// docs/images/quickstart.png is a copy of readme.png there.
package browser
