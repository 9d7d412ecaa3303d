// Sends traces with the stock Node SDK and prints, as JSON, what was acknowledged.
//
//   node send.js proto|json|grpc URL TRACES
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as GrpcExporter } from "@opentelemetry/exporter-trace-otlp-grpc";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtoExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [protocol, url, traces] = process.argv.slice(2);
const Exporter = { proto: ProtoExporter, json: JsonExporter, grpc: GrpcExporter }[protocol];

const results = [];
const exporter = new Exporter({ url });
const send = exporter.export.bind(exporter);
exporter.export = (spans, done) =>
  send(spans, (result) => {
    results.push({ spans: spans.length, code: result.code, error: String(result.error ?? "") });
    done(result);
  });

function provider(service) {
  return new NodeTracerProvider({
    resource: resourceFromAttributes({
      "service.name": service,
      "service.instance.id": `${service}-1`,
      "process.command_args": ["node", "send.js"],
    }),
    spanProcessors: [new BatchSpanProcessor(exporter, { maxExportBatchSize: 64, maxQueueSize: 100_000 })],
  });
}

const providers = [provider(`${protocol}-front`), provider(`${protocol}-back`)];
const [front, back] = providers.map((one) => one.getTracer("end-to-end"));
const begin = Date.now() - 1000;
for (let n = 0; n < Number(traces); n += 1) {
  const span = (tracer, name, kind, milliseconds, parent) => {
    const options = { kind, startTime: begin, attributes: { "http.route": `/${name}`, number: n, share: n / 7, even: n % 2 === 0 } };
    const context = parent ? trace.setSpan(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
    const made = tracer.startSpan(name, options, context);
    made.addEvent("half way", { step: n });
    if (n % 5 === 0) made.setStatus({ code: SpanStatusCode.ERROR, message: "größer als erlaubt" });
    made.end(begin + milliseconds);
    return made;
  };
  const root = span(front, "page", SpanKind.SERVER, 20);
  const call = span(front, "call", SpanKind.CLIENT, 10, root);
  span(back, "serve", SpanKind.SERVER, 5, call);
}
await Promise.all(providers.map((one) => one.forceFlush()));
await Promise.all(providers.map((one) => one.shutdown()));
console.log(JSON.stringify(results));
