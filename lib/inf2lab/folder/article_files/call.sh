curl -X POST http://127.0.0.1:8080/predictions/opt13b \
    -H 'Content-Type: application/json' \
    -d '{"seq_length": 2048,
         "text": ["Hello, I am a language model,", "Welcome to Amazon Elastic Compute Cloud,"]}'
