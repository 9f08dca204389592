package client

import (
	"context"
	"time"
)

// SetWait has c wait by f where it polls.
func (c *Client) SetWait(f func(context.Context, time.Duration) error) { c.wait = f }
