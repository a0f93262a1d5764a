package host

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ecluse"
)

// Counts is what /metrics shows, in a registry of its own. Labels come from closed lists only: route
// patterns, methods, status classes, refusal codes, names of statements; never a person, an account
// or an organisation. Methods are safe for concurrent use and cheap.
type Counts struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	batch    prometheus.Histogram
	latency  prometheus.Histogram
	failed   prometheus.Counter
	refusals *prometheus.CounterVec
	database *prometheus.CounterVec
	notices  *prometheus.CounterVec
}

// NewCounts makes an empty set, with the Go runtime's and the process's own.
func NewCounts() *Counts {
	c := &Counts{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ecluse_http_requests_total",
			Help: "Requests answered, by route pattern, method and class of status."}, []string{"route", "method", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "ecluse_http_request_seconds",
			Help: "Time from the header of a request to the end of its answer.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "ecluse_http_requests_in_flight",
			Help: "Requests being answered."}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ecluse_append_batch_entries",
			Help: "Ledger entries committed in one transaction.", Buckets: prometheus.ExponentialBuckets(1, 2, 7)}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "ecluse_append_seconds",
			Help: "Time of one append transaction, commit included.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 13)}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "ecluse_append_failures_total",
			Help: "Append transactions that were not committed, or nobody can say."}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ecluse_refusals_total",
			Help: "Refusals by reason; a refusal with two reasons counts in both."}, []string{"reason"}),
		database: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ecluse_database_errors_total",
			Help: "Statements and transactions that the database refused or lost."}, []string{"operation"}),
		notices: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "ecluse_notices_total",
			Help: "Notices to one account by what became of them: sent, failed (given up), dropped (no usable address), retried (a try failed)."}, []string{"state"}),
	}
	c.registry.MustRegister(c.notices, c.requests, c.duration, c.inFlight, c.batch, c.latency, c.failed, c.refusals, c.database,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return c
}

func (c *Counts) handler() http.Handler {
	return promhttp.HandlerFor(c.registry, promhttp.HandlerOpts{Registry: c.registry})
}

func (c *Counts) request(route, method string, status int, took time.Duration) {
	c.requests.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Inc()
	c.duration.WithLabelValues(route).Observe(took.Seconds())
}

// Batch counts one append transaction; it has the shape of ledger.Watch.Batch.
func (c *Counts) Batch(entries int, took time.Duration, err error) {
	if err != nil {
		c.failed.Inc()
		return
	}
	c.batch.Observe(float64(entries))
	c.latency.Observe(took.Seconds())
}

// Refusal counts one reason of a refusal; it has the shape of ledger.Watch.Refusal.
func (c *Counts) Refusal(reason ecluse.Reason) { c.refusals.WithLabelValues(string(reason)).Inc() }

// DatabaseError counts a statement or transaction that failed. operation is a name from the code,
// never a text of the database.
func (c *Counts) DatabaseError(operation string) { c.database.WithLabelValues(operation).Inc() }

// Notice counts what became of a notice; it has the shape of post.Options.Count.
func (c *Counts) Notice(state string) { c.notices.WithLabelValues(state).Inc() }

// Notices makes the number of notices that wait for the mail server visible; count is asked at every
// scrape. Call it once.
func (c *Counts) Notices(count func() int) {
	c.gauge("ecluse_notices_waiting", "Notices that have still to be sent.", count)
}

// Queue makes the ledger's queue visible; length is asked at every scrape. Call it once.
func (c *Counts) Queue(length func() int) {
	c.gauge("ecluse_append_queue", "Submissions that wait for the ledger's writer.", length)
}

// Sessions makes the number of open sessions visible; count is asked at every scrape. Call it once.
func (c *Counts) Sessions(count func() int) {
	c.gauge("ecluse_sessions", "Sessions that are open.", count)
}

func (c *Counts) gauge(name, help string, value func() int) {
	c.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return float64(value()) }))
}
