// Package routers shows package rs with chi, gin and echo: a Protection around all handlers, and a
// guard around one route.
package routers

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v5"

	"github.com/countersign/countersign/rs"
)

// Chi accepts net/http middleware.
func Chi(api *rs.Protection) http.Handler {
	r := chi.NewRouter()
	r.Use(api.Handler)
	r.With(rs.RequireScope("photos.read")).Get("/photos/{id}", func(w http.ResponseWriter, r *http.Request) {
		who, ok := rs.FromContext(r.Context())
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "photo %s of %s", chi.URLParam(r, "id"), who.Subject)
	})
	return r
}

// Echo has an adapter for net/http middleware.
func Echo(api *rs.Protection) http.Handler {
	e := echo.New()
	e.Use(echo.WrapMiddleware(api.Handler))
	e.GET("/photos/:id", func(c *echo.Context) error {
		who, ok := rs.FromContext(c.Request().Context())
		if !ok {
			return c.NoContent(http.StatusUnauthorized)
		}
		return c.String(http.StatusOK, fmt.Sprintf("photo %s of %s", c.Param("id"), who.Subject))
	}, echo.WrapMiddleware(rs.RequireScope("photos.read")))
	return e
}

// Gin needs an adapter.
func Gin(api *rs.Protection) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(ginMiddleware(api.Handler))
	r.GET("/photos/:id", ginMiddleware(rs.RequireScope("photos.read")), func(c *gin.Context) {
		who, ok := rs.FromContext(c.Request.Context())
		if !ok {
			c.AbortWithStatus(http.StatusUnauthorized)
			return
		}
		c.String(http.StatusOK, "photo %s of %s", c.Param("id"), who.Subject)
	})
	return r
}

// ginMiddleware makes a gin handler of net/http middleware. A request that the middleware does not
// pass on ends there: gin would call the next handler.
func ginMiddleware(middleware func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			passed = true
			c.Request = r
			c.Next()
		})
		middleware(next).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
