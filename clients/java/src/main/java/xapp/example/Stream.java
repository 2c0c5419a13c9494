package xapp.example;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.RetryInfo;
import io.grpc.Context;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.protobuf.StatusProto;
import java.util.Iterator;
import java.util.concurrent.TimeUnit;
import xapp.inference.v1.Chat;
import xapp.inference.v1.GenerateRequest;
import xapp.inference.v1.GenerateResponse;
import xapp.inference.v1.InferenceServiceGrpc;
import xapp.inference.v1.InferenceServiceGrpc.InferenceServiceBlockingStub;
import xapp.inference.v1.Message;

/**
 * An answer within a deadline, a cancelled answer, and UNAVAILABLE tried again.
 *
 * <pre>mvn -q compile exec:java -Dexec.mainClass=xapp.example.Stream -Dexec.arguments="127.0.0.1:50051,What is O-RAN?"</pre>
 */
public final class Stream {
  private static final int ATTEMPTS = 10;
  private static final long DEADLINE_S = 60;

  private final InferenceServiceBlockingStub node;

  private Stream(InferenceServiceBlockingStub node) {
    this.node = node;
  }

  /** Arguments: the node's HOST:PORT, and the question. Exit code 1 when the node refuses. */
  public static void main(String[] arguments) throws InterruptedException {
    String target = arguments.length > 0 ? arguments[0] : "127.0.0.1:50051";
    String question = arguments.length > 1 ? arguments[1] : "What is O-RAN?";
    // An xApp's traffic stays in its cluster: no proxy of the environment stands between.
    ManagedChannel channel =
        Grpc.newChannelBuilder(target, InsecureChannelCredentials.create()).proxyDetector(address -> null).build();
    int exitCode = 0;
    try {
      Stream example = new Stream(InferenceServiceGrpc.newBlockingStub(channel));
      example.answer(question);
      example.cancel(question);
    } catch (StatusRuntimeException error) {
      System.err.println(error.getStatus().getCode() + ": " + error.getStatus().getDescription());
      exitCode = 1;
    } finally {
      channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
    }
    System.exit(exitCode);
  }

  private static GenerateRequest ask(String question, int maxTokens) {
    Message message = Message.newBuilder().setRole("user").setContent(question).build();
    return GenerateRequest.newBuilder()
        .setChat(Chat.newBuilder().addMessages(message))
        .setMaxTokens(maxTokens)
        .build();
  }

  /** The text as it comes; UNAVAILABLE is tried again before the first text, after as long as the node says. */
  private void answer(String question) throws InterruptedException {
    for (int attempt = 1; ; attempt++) {
      boolean begun = false;
      boolean finished = false;
      try {
        Iterator<GenerateResponse> events = within().generate(ask(question, 48));
        while (events.hasNext()) {
          GenerateResponse event = events.next();
          begun |= event.hasChunk();
          finished |= event.hasFinished();
          show(event);
        }
        if (!finished) {
          String text = "the node ended the answer without its last message";
          throw Status.INTERNAL.withDescription(text).asRuntimeException();
        }
        return;
      } catch (StatusRuntimeException error) {
        if (begun || attempt == ATTEMPTS || error.getStatus().getCode() != Status.Code.UNAVAILABLE) {
          throw error;
        }
        long delayMs = retryDelayMs(error, 200L * attempt);
        System.err.println(error.getStatus().getDescription() + ": trying again in " + delayMs + " ms");
        Thread.sleep(delayMs);
      }
    }
  }

  private static void show(GenerateResponse event) {
    if (event.hasChunk()) {
      System.out.print(event.getChunk().getText());
      System.out.flush();
    } else if (event.hasFinished()) {
      var usage = event.getFinished().getUsage();
      System.out.printf(
          "%n[%d tokens, prompt %d; %s]%n",
          usage.getNumCompletionTokens(), usage.getNumPromptTokens(), event.getFinished().getFinishReason());
    }
  }

  /** To cancel the context cancels the request; its slot on the node is free by the next step. */
  private void cancel(String question) {
    int pieces = 0;
    try (Context.CancellableContext context = Context.current().withCancellation()) {
      Iterator<GenerateResponse> events = asked(context, question);
      while (pieces < 2 && events.hasNext()) {
        if (events.next().hasChunk()) {
          pieces++;
        }
      }
    }
    System.out.printf("[cancelled after %d pieces]%n", pieces);
  }

  private Iterator<GenerateResponse> asked(Context context, String question) {
    Context before = context.attach();
    try {
      return within().generate(ask(question, 64));
    } finally {
      context.detach(before);
    }
  }

  private InferenceServiceBlockingStub within() {
    return node.withDeadlineAfter(DEADLINE_S, TimeUnit.SECONDS);
  }

  /** What google.rpc.RetryInfo asks for. */
  private static long retryDelayMs(StatusRuntimeException error, long otherwise) {
    var status = StatusProto.fromThrowable(error);
    if (status == null) {
      return otherwise;
    }
    for (var detail : status.getDetailsList()) {
      if (detail.is(RetryInfo.class)) {
        try {
          var delay = detail.unpack(RetryInfo.class).getRetryDelay();
          return delay.getSeconds() * 1000 + delay.getNanos() / 1_000_000;
        } catch (InvalidProtocolBufferException broken) {
          return otherwise;
        }
      }
    }
    return otherwise;
  }
}
