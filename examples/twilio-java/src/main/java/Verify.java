import com.twilio.http.NetworkHttpClient;
import com.twilio.http.Request;
import com.twilio.http.Response;
import com.twilio.http.TwilioRestClient;
import com.twilio.rest.verify.v2.service.Verification;
import com.twilio.rest.verify.v2.service.VerificationCheck;
import java.util.Scanner;

/** Verifies a number with twilio-java, unmodified: its argument is the number; then type the code. */
public final class Verify {
    /** Sends what is meant for verify.twilio.com to another base URL: the one thing that is new. */
    private static final class Rebased extends NetworkHttpClient {
        private final String base;

        Rebased(final String base) {
            this.base = base;
        }

        @Override
        public Response makeRequest(final Request meant) {
            final Request sent =
                new Request(meant.getMethod(), meant.getUrl().replace("https://verify.twilio.com", base));
            meant.getPostParams().forEach((name, all) -> all.forEach(value -> sent.addPostParam(name, value)));
            meant.getQueryParams().forEach((name, all) -> all.forEach(value -> sent.addQueryParam(name, value)));
            meant.getHeaderParams().forEach((name, all) -> all.forEach(value -> sent.addHeaderParam(name, value)));
            sent.setContentType(meant.getContentType());
            sent.setBody(meant.getBody());
            sent.setAuth(meant.getUsername(), meant.getPassword());
            return super.makeRequest(sent);
        }
    }

    public static void main(final String[] arguments) {
        final TwilioRestClient client =
            new TwilioRestClient.Builder(System.getenv("TWILIO_API_KEY"), System.getenv("TWILIO_API_SECRET"))
                .accountSid(System.getenv("TWILIO_ACCOUNT_SID"))
                .httpClient(new Rebased(System.getenv("TWILIO_BASE_URL")))
                .build();
        final String service = System.getenv("TWILIO_SERVICE_SID");
        final String number = arguments[0];
        System.out.println(Verification.creator(service, number, "sms").create(client).getStatus());
        final String code = new Scanner(System.in).nextLine().trim();
        System.out.println(
            VerificationCheck.creator(service).setTo(number).setCode(code).create(client).getStatus());
    }
}
