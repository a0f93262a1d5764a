package node

import (
	"fmt"
	"time"

	"ecluse/internal/config"
	"ecluse/internal/post"
)

// newPost makes the node's post: with the demo's courier, the configured mail server, or neither.
func (n *Node) newPost(courier post.Courier) error {
	c := n.Config
	place, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		return fmt.Errorf("read the time zone of mails: %w", err)
	}
	words, err := post.NewWords(c.Mail.Language, c.Instance.Name, c.Instance.PublicURL, c.Mentions.Duty, place)
	if err != nil {
		return err
	}
	if courier == nil && c.Mail.Server != "" {
		courier = smtp(c)
	}
	n.Post = post.New(post.Options{
		Rows: n.Store, Directory: n.Directory, Courier: courier, Words: words, Now: n.Clock.Now, Log: n.Log, Count: n.Counts.Notice,
	})
	n.Counts.Notices(func() int { return int(n.waiting.Load()) })
	return nil
}

func smtp(c *config.Config) post.SMTP {
	return post.SMTP{
		Server: c.Mail.Server, From: c.Mail.From, TLS: c.Mail.TLS, User: c.Mail.User, PasswordFile: c.Mail.PasswordFile, Name: c.Public().Hostname(),
	}
}
