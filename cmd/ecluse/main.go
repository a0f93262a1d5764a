// Command ecluse is the whole program: server, demo and tools of the operator. One file per
// subcommand; each is a struct of flags with a Run method and a line in the struct program.
//
// Results go to standard output; progress, hints and errors to standard error, as "ecluse: …" and
// "ecluse: hint: …". Exit status: 0 done; 1 done and the answer is bad; 2 wrong use; 3 configuration;
// 4 refused; 5 internal (failure.go).
package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// program lists the subcommands in the order of the help.
type program struct {
	Demo      demoCommand      `cmd:"" help:"Run a demo on this machine: invented people, every role, nothing to set up."`
	Init      initCommand      `cmd:"" help:"Make a new installation in a folder."`
	Serve     serveCommand     `cmd:"" help:"Serve an installation: pages, API, metrics."`
	Preset    presetCommand    `cmd:"" help:"List the presets, or copy one to adapt it."`
	Import    importCommand    `cmd:"" help:"Import records from files; invisible until all of them are there."`
	Directory directoryCommand `cmd:"" help:"Ask for accounts and agreements; print invitations."`
	Client    clientCommand    `cmd:"" help:"Keys of partner software."`
	Budgets   budgetsCommand   `cmd:"" help:"Observe a register's budgets for a while, or enforce them again."`
	Contain   containCommand   `cmd:"" help:"Stop an account, and with --tree whatever it made, in one act."`
	Scope     scopeCommand     `cmd:"" help:"Print whose data left through an account or organisation: how many persons, which fields, when."`
	Exposure  exposureCommand  `cmd:"" help:"Print how many persons would be lost at most with each account, were it stolen now."`
	Drill     drillCommand     `cmd:"" help:"Replay published attacks against instances of its own."`
	Bench     benchCommand     `cmd:"" help:"Measure the program on this machine, on invented people."`
	Verify    verifyCommand    `cmd:"" help:"Prove that the ledger is whole: a bundle offline, or the database."`
	Bundle    bundleCommand    `cmd:"" help:"Write the ledger to a file that anybody can verify offline."`
	Backup    backupCommand    `cmd:"" help:"Write the whole database to one file, beside a running node."`
	Restore   restoreCommand   `cmd:"" help:"Write a backup into an empty database of either engine."`
	Retention retentionCommand `cmd:"" help:"Remove what was kept long enough; the proof still holds."`
	Hold      holdCommand      `cmd:"" help:"Keep data from retention while a case is open."`
	Migrate   migrateCommand   `cmd:"" help:"Bring the database to this program's schema."`
	Config    configCommand    `cmd:"" help:"Describe or check the configuration file."`
	Version   versionCommand   `cmd:"" help:"Print which build this is."`
}

// surroundings is what a subcommand gets from the process: everything that reaches outside. Only
// package main reads the clock; it goes down from here.
type surroundings struct {
	Context context.Context // ends at the first interrupt; the second kills
	Out     io.Writer       // results
	Err     io.Writer       // progress, hints, errors
	Now     func() time.Time
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from the first signal on, the next one has its usual effect
	status := run(os.Args[1:], &surroundings{Context: ctx, Out: os.Stdout, Err: os.Stderr, Now: time.Now})
	stop()
	os.Exit(status)
}

// collectSeldom has garbage collected a quarter as often, unless GOGC says otherwise: a serving node
// holds little, and wins a tenth of its processor for some 50 MB. What was needed before goes first; whoever
// then still holds more, the demo of a million people, would pay more than it wins.
func collectSeldom() {
	const little = 8 << 20
	runtime.GC()
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.HeapAlloc < little && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
}

// run is the program without its process: it returns the exit status.
func run(arguments []string, s *surroundings) (status int) {
	parser, err := kong.New(&program{}, kong.Name("ecluse"), kong.Writers(s.Out, s.Err), kong.Bind(s),
		kong.Description("Écluse: one case file at a time passes, the register does not."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Exit(func(code int) { panic(helped(code)) }))
	if err != nil {
		return explain(s.Err, err)
	}
	defer func() {
		switch p := recover().(type) {
		case nil:
		case helped:
			status = int(p)
		default:
			panic(p)
		}
	}()
	if len(arguments) == 0 {
		arguments = []string{"--help"}
	}
	chosen, err := parser.Parse(arguments)
	if err != nil {
		return explain(s.Err, wrongUse(err, usage(err)))
	}
	return explain(s.Err, chosen.Run())
}

// usage is the hint where the arguments were not understood: the help of the command that was meant.
func usage(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context.Selected() != nil {
		return parse.Context.Selected().FullPath() + " --help says what it takes"
	}
	return "ecluse --help lists the commands"
}

// helped is how kong ends after --help.
type helped int
