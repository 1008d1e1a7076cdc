"""What DropboxFolder is made of: the HTTP client, the listing, the download, a local folder, the tables."""
