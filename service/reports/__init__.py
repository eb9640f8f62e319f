"""Reports of screened documents, for reading and for the file: Word, Excel, HTML."""
