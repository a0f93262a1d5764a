package demo

import (
	"context"
	"fmt"
	"testing"

	"ecluse/internal/post"
)

func TestTheShelfKeepsTheNewestMails(t *testing.T) {
	var s shelf
	for i := range mailsKept + 10 {
		if err := s.Carry(context.Background(), post.Mail{To: fmt.Sprint("a", i%2), Subject: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	all := s.newest("")
	if len(all) != mailsKept || all[0].Subject != fmt.Sprint(mailsKept+9) || all[mailsKept-1].Subject != "10" {
		t.Errorf("%d mails, from %s to %s", len(all), all[0].Subject, all[len(all)-1].Subject)
	}
	if one := s.newest("a1"); len(one) != mailsKept/2 || one[0].To != "a1" {
		t.Errorf("%d mails to one address", len(one))
	}
}
