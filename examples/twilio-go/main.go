// Verifies a number with twilio-go, unmodified: go run . +48600100217, then type the code.
package main

import (
	"bufio"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	verify "github.com/twilio/twilio-go/rest/verify/v2"
)

// rebase sends what is meant for verify.twilio.com to another base URL: the one thing that is new.
type rebase struct{ base *url.URL }

func (r rebase) RoundTrip(request *http.Request) (*http.Response, error) {
	if strings.HasSuffix(request.URL.Host, ".twilio.com") {
		request = request.Clone(request.Context())
		request.URL.Scheme, request.URL.Host, request.Host = r.base.Scheme, r.base.Host, ""
		request.URL.Path = r.base.Path + request.URL.Path
		if request.URL.RawPath != "" {
			request.URL.RawPath = r.base.EscapedPath() + request.URL.RawPath
		}
	}
	return http.DefaultTransport.RoundTrip(request)
}

func main() {
	base, err := url.Parse(os.Getenv("TWILIO_BASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	credentials := client.NewCredentials(os.Getenv("TWILIO_API_KEY"), os.Getenv("TWILIO_API_SECRET"))
	requests := &client.Client{
		Credentials: credentials,
		HTTPClient:  &http.Client{Transport: rebase{base}, Timeout: 10 * time.Second},
	}
	requests.SetAccountSid(os.Getenv("TWILIO_ACCOUNT_SID"))
	api := twilio.NewRestClientWithParams(twilio.ClientParams{Client: requests}).VerifyV2

	service, number := os.Getenv("TWILIO_SERVICE_SID"), os.Args[1]
	start := (&verify.CreateVerificationParams{}).SetTo(number).SetChannel("sms")
	started, err := api.CreateVerification(service, start)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*started.Status)

	code, err := bufio.NewReader(os.Stdin).ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	check := (&verify.CreateVerificationCheckParams{}).SetTo(number).SetCode(strings.TrimSpace(code))
	checked, err := api.CreateVerificationCheck(service, check)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(*checked.Status)
}
