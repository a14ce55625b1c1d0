"""What describes the API: an OpenAPI document and a page, both made of the routes and what stands beside them."""
