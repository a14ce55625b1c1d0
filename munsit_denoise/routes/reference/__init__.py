"""The description of the API as OpenAPI document and page, made from the routes and their descriptions."""
