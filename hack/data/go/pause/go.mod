module dynamo-disagg/pause

go 1.26.0
