package sqlstore_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/sqlstore"
)

// Use one store for everything that the processes of an application share. The program imports
// the driver: _ "github.com/jackc/pgx/v5/stdlib".
func Example() {
	var (
		ctx  = context.Background()
		app  *client.Client // the registration
		keys [][]byte       // 32 bytes from crypto/rand, the same on all machines
	)
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	store, err := sqlstore.New(sqlstore.Config{DB: db, Dialect: sqlstore.PostgreSQL})
	if err != nil {
		fmt.Println(err)
		return
	}
	visitors, err := login.New(login.Config{Clients: map[string]*client.Client{"main": app}, Keys: keys, Store: store})
	fresh := &tokens.Refresher{Client: app, Store: store, Leases: store}
	proofs := &rs.DPoP{BaseURL: "https://api.example", Replay: store}
	fmt.Println(visitors, fresh, proofs, err, store.Ping(ctx))
}

// Add the statements to the application's migrations.
func ExampleSchema() {
	fmt.Println(sqlstore.Schema(sqlstore.SQLite, "app_")[:44])
	// Output:
	// -- What processes share until a time: sessio
}
