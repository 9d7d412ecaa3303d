// Uses every instrument and logger of the stock Node SDK and prints, as JSON, what was acknowledged.
//
//   node measure.js proto|json|grpc URL cumulative|delta
import { context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter as GrpcLogs } from "@opentelemetry/exporter-logs-otlp-grpc";
import { OTLPLogExporter as JsonLogs } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtoLogs } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter as GrpcMetrics } from "@opentelemetry/exporter-metrics-otlp-grpc";
import { AggregationTemporalityPreference, OTLPMetricExporter as JsonMetrics } from "@opentelemetry/exporter-metrics-otlp-http";
import { OTLPMetricExporter as ProtoMetrics } from "@opentelemetry/exporter-metrics-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { AggregationType, MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";

const [protocol, url, temporality] = process.argv.slice(2);
const Metrics = { proto: ProtoMetrics, json: JsonMetrics, grpc: GrpcMetrics }[protocol];
const Logs = { proto: ProtoLogs, json: JsonLogs, grpc: GrpcLogs }[protocol];
const resource = resourceFromAttributes({ "service.name": "cart", "service.instance.id": "i-1", zone: "b" });

const codes = [];
function recorded(exporter) {
  const send = exporter.export.bind(exporter);
  exporter.export = (data, done) =>
    send(data, (result) => {
      codes.push(result.code);
      done(result);
    });
  return exporter;
}
const endpoint = (signal) => (protocol === "grpc" ? url : `${url}/v1/${signal}`);

const temporalityPreference = AggregationTemporalityPreference[temporality.toUpperCase()];
const exporter = recorded(new Metrics({ url: endpoint("metrics"), temporalityPreference }));
const meters = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  views: [{ instrumentName: "sizes", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM, options: { maxSize: 8 } } }],
});
const meter = meters.getMeter("app", "1.2");
let tick = 0;
const observe = (factor) => (result) => {
  result.observe(factor * tick, { pool: "a" });
  result.observe(factor, { pool: "b" });
};
meter.createObservableCounter("gc.collections").addCallback(observe(2));
meter.createObservableUpDownCounter("connections").addCallback(observe(-3));
meter.createObservableGauge("temperature", { unit: "Cel" }).addCallback(observe(0.5));
const requests = meter.createCounter("requests", { unit: "{request}", description: 'with "quotes"\nand lines' });
const sent = meter.createCounter("sent", { unit: "By" });
const queue = meter.createUpDownCounter("queue.length");
const fill = meter.createGauge("fill", { unit: "1" });
const latency = meter.createHistogram("latency", { unit: "s", advice: { explicitBucketBoundaries: [0.1, 1] } });
const sizes = meter.createHistogram("sizes", { unit: "By" });
for (tick = 1; tick <= 3; tick += 1) {
  requests.add(tick, { route: "/a", ok: true, codes: [1, 2] });
  requests.add(1, { route: "/b" });
  sent.add(0.5 * tick);
  queue.add(-2, { route: 'quo"te\\' });
  fill.record(tick / 4);
  for (const seconds of [0.0625, 0.5, 2]) latency.record(seconds);
  for (const size of [1, 100, 100_000 * tick]) sizes.record(size);
  await meters.forceFlush();
}
tick = 3;
await meters.shutdown();

const logs = new LoggerProvider({ resource, processors: [new BatchLogRecordProcessor({ exporter: recorded(new Logs({ url: endpoint("logs") })) })] });
const logger = logs.getLogger("app", "1.2");
for (let n = 0; n < 600; n += 1) {
  logger.emit({ body: `order ${n}`, severityNumber: SeverityNumber.WARN, severityText: "WARN", attributes: { "order.id": n, parts: ["a", "ü"], paid: true } });
}
const span = trace.wrapSpanContext({ traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "00f067aa0ba902b7", traceFlags: 1 });
logger.emit({ body: { event: "paid", items: [1, "two", { deep: 2.5 }] }, severityNumber: SeverityNumber.INFO, context: trace.setSpan(ROOT_CONTEXT, span) });
logger.emit({ eventName: "login", timestamp: [5, 7], observedTimestamp: [6, 0], context: context.active() });
await logs.forceFlush();
await logs.shutdown();
console.log(JSON.stringify(codes));
