import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/**
 * Starts a verification with the requests twilio-java makes, where that library itself cannot be had: its headers, and
 * its retries: a POST is made up to three times when the answer is from 500 on. The library pauses 100 ms between them;
 * this one does not, which leaves the server less time.
 *
 * <p>java twilio_client.java &lt;Twilio base URL&gt; &lt;SK…&gt; &lt;secret&gt; &lt;VA…&gt; &lt;number&gt;
 */
public final class twilio_client {
    private static final int TRIES = 3;

    public static void main(final String[] arguments) throws Exception {
        final String credentials = arguments[1] + ":" + arguments[2];
        final HttpRequest start = HttpRequest
            .newBuilder(URI.create(arguments[0] + "/v2/Services/" + arguments[3] + "/Verifications"))
            .header("Authorization", "Basic " + Base64.getEncoder().encodeToString(credentials.getBytes()))
            .header("User-Agent", "twilio-java/12.0.0 (Linux amd64) java/17")
            .header("X-Twilio-Client", "java-12.0.0")
            .header("Accept-Encoding", "utf-8")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .POST(BodyPublishers.ofString("To=" + encoded(arguments[4]) + "&Channel=sms"))
            .build();
        final HttpClient client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        HttpResponse<String> answer = null;
        for (int tries = 0; tries < TRIES; tries += 1) {
            answer = client.send(start, BodyHandlers.ofString());
            System.out.println(answer.statusCode());
            if (answer.statusCode() < 500) {
                break;
            }
        }
        System.out.println(answer.body());
    }

    private static String encoded(final String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
