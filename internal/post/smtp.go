package post

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
)

// SMTP carries mails to one server, a connection each. Zero values besides Server and From: no TLS, nobody
// signs in.
type SMTP struct {
	Server       string // host:port
	From         string // "address" or "name <address>"
	TLS          string // "starttls" (must succeed), "tls" from the first byte, or "none"
	User         string
	PasswordFile string // read at each mail, so that it can be replaced
	Name         string // what this node calls itself to the server
}

// smtpTimeout bounds the connection, and then the mail itself.
const smtpTimeout = 15 * time.Second

// Carry sends one mail. Errors: ErrAddress, ErrServer, or another one for what may pass; none names an
// address or repeats what the server said, which may quote one.
func (s SMTP) Carry(ctx context.Context, m Mail) error {
	msg, err := s.message(m)
	if err != nil {
		return err
	}
	line := &line{ctx: ctx}
	defer line.release()
	client, err := s.client(line)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrServer, place(err))
	}
	err = client.SendWithSMTPClient(connection, msg)
	_ = client.CloseWithSMTPClient(connection)
	if msg.IsDelivered() { // what it took, it took, however the connection ended
		return nil
	}
	return carried(err)
}

// message is the mail as go-mail takes it. Subject and addresses are single lines already.
func (s SMTP) message(m Mail) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(s.From); err != nil {
		return nil, errors.New("the sender's address does not parse")
	}
	if err := msg.To(m.To); err != nil {
		return nil, fmt.Errorf("%w: it does not parse", ErrAddress)
	}
	sender, err := netmail.ParseAddress(s.From)
	if err != nil {
		return nil, errors.New("the sender's address does not parse")
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	msg.SetMessageIDWithValue(rand.Text() + "@" + domain)
	msg.SetDateWithValue(m.At)
	msg.SetGenHeader(mail.Header("Auto-Submitted"), "auto-generated") // RFC 3834: no robot answers
	msg.Subject(m.Subject)
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	return msg, nil
}

// line is a connection that is cut when ctx ends, so that a silent server does not hold up a stop. It
// serves one dial.
type line struct {
	ctx  context.Context
	stop func() bool
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err == nil {
		l.stop = context.AfterFunc(l.ctx, func() { _ = c.Close() })
	}
	return c, err
}

func (l *line) release() {
	if l.stop != nil {
		l.stop()
	}
}

func (s SMTP) client(l *line) (*mail.Client, error) {
	host, port, err := net.SplitHostPort(s.Server)
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	options := []mail.Option{mail.WithTimeout(smtpTimeout), mail.WithHELO(s.Name), mail.WithoutNoop()}
	switch s.TLS {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS), mail.WithDialContextFunc(l.dial))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory), mail.WithDialContextFunc(l.dial))
	}
	if s.User != "" {
		password, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, errors.New("the password file cannot be read")
		}
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.User),
			mail.WithPassword(strings.TrimSpace(string(password))))
	}
	return mail.NewClient(host, append(options, mail.WithPort(number))...)
}

// carried says what an answer of the server means, by its code.
func carried(err error) error {
	if err == nil {
		return nil
	}
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return fmt.Errorf("%w: %s", ErrServer, place(err))
	}
	switch code := failed.ErrorCode(); {
	case code == 0:
		return fmt.Errorf("%w: %s", ErrServer, failed.Reason)
	case failed.Reason == mail.ErrSMTPRcptTo && code >= 550 && code <= 553 && !failed.IsTemp():
		return fmt.Errorf("%w: code %d", ErrAddress, code)
	default:
		return fmt.Errorf("%s: code %d", failed.Reason, code)
	}
}

// place says where a connection failed, without the server's words.
func place(err error) string {
	var network *net.OpError
	var answer *textproto.Error
	switch {
	case errors.As(err, &answer):
		return "code " + strconv.Itoa(answer.Code)
	case errors.As(err, &network):
		return network.Op
	}
	return "TLS or sign-in"
}
